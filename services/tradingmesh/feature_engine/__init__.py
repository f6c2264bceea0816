"""The feature engine: the features of every symbol, published as they change."""
