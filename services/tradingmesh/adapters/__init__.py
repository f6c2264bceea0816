"""How the ports are met: ZeroMQ, Alpaca, SQLite, Parquet, tapes. One noun a file."""
