"""Keeps market data and features as Parquet, to be queried and played again."""
