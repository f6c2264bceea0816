"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """A path to write to; what was written becomes `target` once it is on disk, and nothing does after an error."""
    target.parent.mkdir(parents=True, exist_ok=True)
    path = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield path
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.replace(target)
    finally:
        path.unlink(missing_ok=True)
