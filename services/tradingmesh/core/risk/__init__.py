"""The risk manager's decisions: checks, reservations, limits, breaker, ledger."""
