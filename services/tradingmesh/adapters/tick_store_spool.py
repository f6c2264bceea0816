"""Where market data waits to become Parquet: fixed-size records, in memory up to a bound, then in files.

A file appears whole or not at all, so a process that dies loses at most what it had in memory. Writing one needs no
pyarrow, which keeps the market data store small (docs/decisions/0036-ticks-are-spooled-then-written-as-parquet.md).
"""

import math
import struct
from pathlib import Path

from tradingmesh.adapters.tick_store_files import KINDS, sealed, spooled
from tradingmesh.adapters.whole_file import whole
from tradingmesh.core.signals.feature_vector import FeatureVector
from tradingmesh.wire.header import Kind
from tradingmesh.wire.market import RECORD_BYTES, encode_symbol

WRITE_AT_BYTES = 2 << 20
"""So much waits in memory before it is written, whatever the time."""
WAITING_BYTES_MAX = 16 << 20
"""So much waits in memory when it cannot be written; beyond it new records are dropped and counted."""
SPOOLED_BYTES_MAX = 1 << 30
"""So much waits in files; beyond it nothing is written until some of it is Parquet."""

FEATURE = struct.Struct("<8sqdddddd")
RECORDS = {**{Kind(kind): size for kind, size in RECORD_BYTES.items()}, Kind.FEATURES: FEATURE.size}
"""How many bytes a record of each kind has."""
NAMES = dict(zip(RECORDS, KINDS, strict=True))
"""What each kind is called in files and folders: trade, quote, bar, feature."""


class Spool:
    """Takes records and writes them to files of a folder, which it makes.

    `waiting_bytes` are in memory, `spooled_bytes` in files, `dropped` counts the records that found no room.
    """

    def __init__(self, folder: Path, epoch: int, *, spooled_bytes_max: int = SPOOLED_BYTES_MAX) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.waiting_bytes = 0
        self.dropped = 0
        self._folder = folder
        self._epoch = epoch
        self._number = 0
        self._spooled_bytes_max = spooled_bytes_max
        self._buffers: dict[Kind, bytearray] = {kind: bytearray() for kind in RECORDS}

    def add(self, kind: Kind, records: bytes) -> None:
        """Takes records of one kind."""
        if self.waiting_bytes + len(records) > WAITING_BYTES_MAX:
            self.dropped += len(records) // RECORDS[kind]
            return
        self._buffers[kind] += records
        self.waiting_bytes += len(records)

    @property
    def full(self) -> bool:
        """Whether it is time to write."""
        return self.waiting_bytes >= WRITE_AT_BYTES

    def spooled_bytes(self) -> int:
        """How much is in files."""
        return sum(_size(path) for path in spooled(self._folder))

    def write(self) -> None:
        """Writes what is in memory to files. Raises `OSError` where that cannot be: it is still in memory then."""
        if self.spooled_bytes() > self._spooled_bytes_max:
            raise OSError(f"{self._folder}: more than {self._spooled_bytes_max:,} bytes wait to become Parquet")
        self._number += 1
        for kind, buffer in self._buffers.items():
            if buffer:
                path = self._folder / f"{self._epoch:016d}-{self._number:08d}.{NAMES[kind]}"
                with whole(path) as partial:
                    partial.write_bytes(sealed(buffer))
                self.waiting_bytes -= len(buffer)
                buffer.clear()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # the writer was done with it meanwhile


def feature_record(vector: FeatureVector) -> bytes:
    """The record of a feature vector; what is not known is NaN there. Raises `InputError` where it does not fit."""
    known = (
        vector.ema_fast_e4,
        vector.ema_slow_e4,
        vector.vwap_e4,
        vector.volatility,
        vector.imbalance,
        vector.microprice_e4,
    )
    values = (math.nan if value is None else value for value in known)
    return FEATURE.pack(encode_symbol(vector.symbol), vector.timestamp_ns, *values)
