"""The built-in strategies. Others are found by entry point (`tradingmesh.strategies`) or as `module:Class`."""
