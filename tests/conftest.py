"""What holds for every test."""

# alpaca_library keeps pyarrow out of the process that imports it; here one process tests both sides.
import pyarrow as pa  # noqa: F401
