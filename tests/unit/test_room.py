"""Whether a component's folder has room, and who needs any."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.room import Waiting, keeps, lack_of_room


def _spec(**changes: Any) -> TradingSystemSpec:
    return TradingSystemSpec.model_validate({"symbols": ["IBM"]} | changes)


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path) -> None:
    """The question leaves nothing behind."""
    folder = tmp_path / "a" / "b"
    assert lack_of_room(folder) == ""
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_a_reason_to_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Full, over quota, or over the process's own limit: one line that says how much is wanted."""

    def full(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", full)
    reason = lack_of_room(tmp_path)
    assert reason == f"disk: no room in {tmp_path}: {os.strerror(number)}; it starts when 256 KiB are free"
    assert Waiting(reason).ready() == [reason]


def test_what_no_waiting_mends_is_an_error(tmp_path: Path) -> None:
    """A file where the folder belongs: whoever set it up must act."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"the data folder .*file/x cannot be written: Not a directory"):
        lack_of_room(tmp_path / "file" / "x")


def test_who_keeps_something() -> None:
    """Not who has all in memory, and not the risk manager whose journal is in a database."""
    assert [component for component in Component if keeps(component, _spec())] == [
        Component.MARKET_DATA_STORE,
        Component.RISK_MANAGER,
        Component.EXECUTION_ENGINE,
    ]
    elsewhere = _spec(persistence={"postgres": {"urlSecretRef": {"name": "db"}}})
    assert not keeps(Component.RISK_MANAGER, elsewhere)
    assert keeps(Component.EXECUTION_ENGINE, elsewhere)
