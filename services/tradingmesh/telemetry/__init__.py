"""What the system tells about itself: metrics, logs, traces."""
