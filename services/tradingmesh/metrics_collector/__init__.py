"""Watches the mesh: system events and market data become metrics, a log, and alerts."""
