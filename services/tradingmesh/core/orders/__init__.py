"""The execution engine's decisions: the life of an order, and what its fills are worth."""
