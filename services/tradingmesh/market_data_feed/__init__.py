"""Alpaca's market data, normalised and published to the mesh."""
