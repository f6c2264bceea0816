"""Where a journal must have come to, in a small file beside it.

A chain shows what is missing in its middle, never what is missing at its end. So after each commit its last place is
written here, over the one before, in one sector: a journal that ends earlier has lost what was committed. What was only
flushed is named as well, by its position: a power cut may take it, but not unseen.

The file itself is not synced at each commit, so a power cut may leave an older place in it: it then proves less, and
never accuses a whole journal.
"""

import os
from pathlib import Path
from struct import Struct
from zlib import crc32

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import HASH_BYTES, START, Link
from tradingmesh.core.journal.head import Head

_MAGIC = b"tm-head1"
_BODY = Struct(f">8sQ{HASH_BYTES}sQ")
_CHECKSUM = Struct(">I")


def head_path(journal: Path) -> Path:
    """The file beside that journal."""
    return journal.with_name(f"{journal.name}-head")


def read_head(path: Path) -> Head | None:
    """What the file says; `None` where there is none. Raises `JournalError` where it is damaged."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise JournalError(f"{path}: cannot read the journal's head: {error.strerror}") from None
    body, checksum = raw[: _BODY.size], raw[_BODY.size :]
    if len(body) != _BODY.size or checksum != _CHECKSUM.pack(crc32(body)) or not body.startswith(_MAGIC):
        raise JournalError(f"{path}: the journal's head is damaged: nobody can tell whether the journal is whole")
    _, position, hash_, flushed = _BODY.unpack(body)
    return Head(Link(position, hash_), flushed)


class HeadFile:
    """The file, open for writing. Made, and on disk, before the journal has its first record."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._marked: Head | None = None
        try:
            if not path.exists():
                _make(path)
            self._file = os.open(path, os.O_RDWR)
        except OSError as error:
            raise self._failed(error) from None

    def mark(self, head: Head) -> None:
        """Writes the place, if it is another one. Raises `JournalError` where it cannot: it may be tried again."""
        if head == self._marked:
            return
        try:
            os.pwrite(self._file, _encoded(head), 0)  # one sector: written whole or not at all
        except OSError as error:
            raise self._failed(error) from None
        self._marked = head

    def close(self) -> None:
        """Lets go of the file."""
        os.close(self._file)

    def _failed(self, error: OSError) -> JournalError:
        return JournalError(f"{self._path}: cannot write the journal's head: {error.strerror}")


def _encoded(head: Head) -> bytes:
    body = _BODY.pack(_MAGIC, *head.committed, head.flushed)
    return body + _CHECKSUM.pack(crc32(body))


def _make(path: Path) -> None:
    """The file gets its name once it is whole and on disk: one without its content would be taken for a damaged one."""
    unnamed = path.with_name(f"{path.name}-new")
    file = os.open(unnamed, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        os.pwrite(file, _encoded(Head(START, 0)), 0)
        os.fsync(file)
    finally:
        os.close(file)
    unnamed.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """A new file is only there for good once its folder is synced (man 2 fsync)."""
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
