"""An algorithmic trading system as a mesh of small services that talk ZeroMQ and trade through Alpaca.

Read the folders in this order: `contract` (names and the manifest), `core` (every decision, pure), `wire` (bytes),
`ports` (what the core's shells need), `adapters` and `telemetry` (how they get it), `runtime` (the loop a service
runs in), then one folder a service, each thin.
"""

__version__ = "0.1.0"
