"""The writer process: one at a time, told on when it fails, and harmless when two of them meet."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tradingmesh.adapters.tape import open_tape
from tradingmesh.adapters.tick_store_files import SPOOL, spooled
from tradingmesh.adapters.tick_store_spool import Spool
from tradingmesh.core.market import Trade
from tradingmesh.market_data_store.write_process import WriteProcess
from tradingmesh.wire.market import encode

MODULE = "tradingmesh.market_data_store.writer"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WriteProcess]:
    """A writer of the test's folder, ended in any case."""
    made = WriteProcess(tmp_path)
    yield made
    made.finish(0)


def spool(root: Path, epoch: int, *trades: Trade) -> None:
    made = Spool(root / SPOOL, epoch)
    for trade in trades:
        made.add(*encode(trade))
    made.write()


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def wait_for(look: Callable[[], str | None]) -> str:
    """What there is to see, once there is something."""
    deadline_s = time.monotonic() + 20
    while not (seen := look()):
        assert time.monotonic() < deadline_s, "there was nothing to see in time"
        time.sleep(0.01)
    return seen


def test_what_was_spooled_is_written(tmp_path: Path, process: WriteProcess) -> None:
    """After `finish` the spool is empty and its ticks are Parquet."""
    spool(tmp_path, 1, Trade("IBM", 1, 2, 3))
    process.start()
    assert process.finish(60) is None
    assert spooled(tmp_path / SPOOL) == []
    assert list(open_tape(str(tmp_path), [])) == [Trade("IBM", 1, 2, 3)]


def test_a_start_while_one_runs_is_followed_by_another(tmp_path: Path, process: WriteProcess) -> None:
    """What is spooled while a writer runs, perhaps too late for it, is written by the next."""
    spool(tmp_path, 1, Trade("IBM", 1, 2, 3))
    process.start()
    first = process._process
    spool(tmp_path, 2, Trade("IBM", 4, 5, 6))
    process.start()
    assert process._process is first
    assert process.finish(60) is None
    assert process._process is not first
    assert len(list(open_tape(str(tmp_path), []))) == 2


def test_why_it_failed_is_told_once(tmp_path: Path, process: WriteProcess) -> None:
    """A damaged spool file is named by `problem`; asked again there is none."""
    spool(tmp_path, 1, Trade("IBM", 1, 2, 3))
    [path] = spooled(tmp_path / SPOOL)
    path.write_bytes(b"damaged")
    process.start()
    assert wait_for(process.problem).endswith("the checksum does not fit, the file is damaged")
    assert process.problem() is None


def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    """The writer says what is wrong in one line and exits with 1."""
    spool(tmp_path, 1, Trade("IBM", 1, 2, 3))
    (tmp_path / "trade").write_text("in the way")
    done = subprocess.run(
        [sys.executable, "-m", MODULE, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "trade" in done.stderr


def test_two_writers_at_once_write_everything_once(tmp_path: Path) -> None:
    """A writer that outlived its store and that of the next one do not disturb each other."""
    trades = [Trade("IBM", n, 1, n) for n in range(1, 41)]
    for epoch, trade in enumerate(trades, 1):
        spool(tmp_path, epoch, trade)
    both = [subprocess.Popen([sys.executable, "-m", MODULE, tmp_path], stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert said == [b"", b""]
    assert list(open_tape(str(tmp_path), [])) == trades
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".partial"]


def test_pandas_is_not_imported(tmp_path: Path) -> None:
    """It is 55 MB, installed beside alpaca-py, and pyarrow would take it; the writer and tapes do without."""
    spool(tmp_path, 1, Trade("IBM", 1, 2, 3))
    program = (
        "import sys; from pathlib import Path; from tradingmesh.adapters.tape import open_tape;"
        "from tradingmesh.adapters.tape_write import write_tape;"
        "from tradingmesh.adapters.tick_store_write import write_spooled; root = Path(sys.argv[1]);"
        "write_spooled(root); tape = open_tape(str(root), []); write_tape(tape, root / 'a.csv');"
        "open_tape(str(root / 'a.csv'), []); print('pandas' in sys.modules); import pandas"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("False\n", "")
