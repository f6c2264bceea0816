"""Every decision, pure: no socket, clock, randomness, environment or log. Time comes in as data."""
