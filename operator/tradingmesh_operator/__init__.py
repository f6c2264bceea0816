"""The Kubernetes operator: keeps the children of every `TradingSystem` as its spec says, and says in status how they are."""
