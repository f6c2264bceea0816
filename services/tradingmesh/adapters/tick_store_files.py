"""The files of a tick store: its spool, sealed by a checksum, and the folders of its Parquet.

A spool file holds records of one kind, `EPOCH-NUMBER.KIND`, and ends with the CRC-32 of what precedes it. Parquet is
in `KIND/SYMBOL/YYYY-MM-DD`.
"""

import struct
import zlib
from pathlib import Path
from urllib.parse import quote

from tradingmesh.core.errors import InputError

SPOOL = "spool"
"""The folder of the spool, within the store's."""
KINDS = ("trade", "quote", "bar", "feature")
_CRC = struct.Struct("<I")


def sealed(records: bytes | bytearray) -> bytes:
    """The content of a spool file."""
    return bytes(records) + _CRC.pack(zlib.crc32(records))


def read_spool(path: Path) -> bytes:
    """The records of a spool file. Raises `InputError` where it is damaged."""
    data = path.read_bytes()
    records = data[: -_CRC.size]
    if len(data) < _CRC.size or sealed(records) != data:
        raise InputError(f"{path}: the checksum does not fit, the file is damaged")
    return records


def spooled(folder: Path) -> list[Path]:
    """The spool files of a folder, oldest first."""
    return sorted(path for path in folder.glob("*-*.*") if path.suffix.removeprefix(".") in KINDS)


def folder_name(symbol: str) -> str:
    """A symbol as the name of a folder: none of a folder's own signs is in it."""
    return quote(symbol, safe="").replace(".", "%2E")
