"""Who starts on a full disk stands there, says why, lets nothing through, and starts by itself once there is room."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.chaos.full_disk import FullDisk
from tradingmesh.cli.up_watch import fetch

RISK, ENGINE, PROCESSOR = "risk-manager", "execution-engine", "fill-processor"


@pytest.fixture
def disks(mesh: Any) -> Iterator[dict[str, FullDisk]]:
    """The disks under the folders of who keeps what money depends on."""
    made = {name: FullDisk(mesh.data_dir / name, 16 << 20) for name in (RISK, ENGINE)}
    yield made
    mesh.close()
    for disk in made.values():
        disk.close()


def _says_why(mesh: Any, name: str) -> bool:
    return any(reason.startswith("disk: no room in ") for reason in mesh.reasons(name))


def _start_without_room(mesh: Any, disk: FullDisk, name: str) -> None:
    """Where the test may mount nothing, the process's own limit stands in for the disk's."""
    pid = mesh.pid(name)
    mesh.kill(name)
    if disk.mounted:
        disk.fill(pid)
    else:
        mesh.prelude[name] = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, -1))"
    mesh.start(name, ready=False)
    mesh.wait(partial(_says_why, mesh, name))


@pytest.mark.timeout(120)
def test_it_stands_there_and_starts_once_there_is_room(mesh: Any, disks: dict[str, FullDisk]) -> None:
    """Alive, not ready, no order let out; what the broker fills meanwhile is booked afterwards. One after the other.

    Shown to fail: without `_has_room` the one starts as if nothing were wrong, the other ends with an error of SQLite.
    """
    mesh.start("alpaca-simulator", RISK, ENGINE, PROCESSOR)
    mesh.play()
    mesh.trade(30)
    for name, disk in disks.items():
        _start_without_room(mesh, disk, name)
        mesh.trade(30)
        assert mesh.runs(name)
        assert fetch(mesh.port_of(name), "/healthz") is not None
        assert _says_why(mesh, name)
        disk.empty(mesh.pid(name))
        mesh.wait(partial(mesh.ready, name))
        mesh.settle()
    assert mesh.audit().differences == ()


@pytest.mark.timeout(120)
def test_it_ends_when_it_is_told_to(mesh: Any, disks: dict[str, FullDisk]) -> None:
    """SIGTERM while it stands there: exit 0, and nothing was written."""
    mesh.start("alpaca-simulator", RISK)
    _start_without_room(mesh, disks[RISK], RISK)
    assert mesh.stop(RISK) == 0
