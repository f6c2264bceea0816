"""A batch payload as one numpy structured view: no copy, no object a record. Apart, for not everybody has numpy."""

import numpy as np
from numpy.typing import NDArray

from tradingmesh.core.errors import WireError
from tradingmesh.wire.header import Kind

TRADE_DTYPE = np.dtype([("symbol", "S8"), ("price_e4", "<i8"), ("size", "<u4"), ("timestamp_ns", "<i8")])
QUOTE_DTYPE = np.dtype(
    [
        ("symbol", "S8"),
        ("bid_e4", "<i8"),
        ("ask_e4", "<i8"),
        ("bid_size", "<u4"),
        ("ask_size", "<u4"),
        ("timestamp_ns", "<i8"),
    ]
)
BAR_DTYPE = np.dtype(
    [
        ("symbol", "S8"),
        ("open_e4", "<i8"),
        ("high_e4", "<i8"),
        ("low_e4", "<i8"),
        ("close_e4", "<i8"),
        ("volume", "<u8"),
        ("timestamp_ns", "<i8"),
    ]
)
_DTYPES = {int(Kind.TRADE): TRADE_DTYPE, int(Kind.QUOTE): QUOTE_DTYPE, int(Kind.BAR): BAR_DTYPE}


def view(kind: int, count: int, payload: bytes) -> NDArray[np.void]:
    """The payload's records as a read-only structured array. Raises `WireError` where the size does not fit."""
    dtype = _DTYPES.get(kind)
    if dtype is None or len(payload) != dtype.itemsize * count:
        raise WireError(f"{len(payload)} bytes are not {count} records of kind {kind}")
    return np.frombuffer(payload, dtype=dtype)
