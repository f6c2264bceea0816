"""The signal generator's decisions: features, books, strategies at work, signals on their way to approval."""
