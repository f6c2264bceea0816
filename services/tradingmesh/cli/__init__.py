"""The command line: `tradingmesh up | run | status | halt | tape | bench`."""
