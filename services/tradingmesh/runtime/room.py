"""Room on the disk, before anything durable is opened.

A file that is opened on a full disk fails in many ways, some of which look like damage. So a component that keeps
something asks first, and stands there, not ready, until there is room: a restart would find the same disk.
"""

import errno
import os
import tempfile
from pathlib import Path
from typing import Any

from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.core.errors import ConfigError

ROOM_BYTES = 1 << 18
"""What opening takes at most: SQLite's shared memory, the tables of a first start, a head."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_KEEPERS = (Component.RISK_MANAGER, Component.EXECUTION_ENGINE, Component.MARKET_DATA_STORE)


class Waiting:
    """What stands where the service will be: not ready for one reason, nothing to tell, nothing to drain."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def ready(self) -> list[str]:
        """Why it does not start."""
        return [self.reason]

    def status(self) -> dict[str, Any]:
        """Nothing yet."""
        return {}

    def drain(self) -> None:
        """Nothing was begun."""


def keeps(component: Component, spec: TradingSystemSpec) -> bool:
    """Whether it writes into its data folder: not the risk manager whose journal is in PostgreSQL."""
    elsewhere = component is Component.RISK_MANAGER and spec.persistence.postgres is not None
    return component in _KEEPERS and not elsewhere


def lack_of_room(folder: Path) -> str:
    """Why nothing can be opened in `folder`, which is made if need be; empty where `ROOM_BYTES` fit.

    Raises `ConfigError` where it cannot be written for another reason: that passes with no amount of waiting.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
    except OSError as error:
        if error.errno in _FULL:
            return f"disk: no room in {folder}: {error.strerror}; it starts when {ROOM_BYTES >> 10} KiB are free"
        raise ConfigError(
            f"the data folder {folder} cannot be written: {error.strerror}; TRADINGMESH_DATA_DIR names another"
        ) from None
    return ""
