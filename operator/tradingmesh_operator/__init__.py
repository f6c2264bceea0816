"""The Kubernetes operator: keeps the children of every `TradingSystem` as its spec says, and tells how they are."""
