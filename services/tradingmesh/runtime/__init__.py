"""What every service runs in: settings, the poll loop, admin HTTP, start and stop."""
