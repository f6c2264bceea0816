"""`tradingmesh tape`: what it shows and writes, and one line for what it cannot read."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tradingmesh.adapters.tape import GeneratedTape, open_tape
from tradingmesh.adapters.tick_store_parquet import ParquetTickStore
from tradingmesh.cli.tape import app
from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Trade
from tradingmesh.core.tape.generator import TapeSettings


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def test_a_tape_goes_through_every_format_and_is_shown(tmp_path: Path) -> None:
    """Generated, to Parquet, to CSV, to LEAN: the same events each time, and `info` counts them."""
    parquet, csv, lean = tmp_path / "tape.parquet", tmp_path / "tape.csv", tmp_path / "lean"
    for source, target in (("generated", parquet), (parquet, csv), (csv, lean)):
        result = run("convert", source, target, *(("-s", "DEMO") if source == "generated" else ()))
        assert result.output == f"{target}: 12,000 events, 0 rows left out\n"
    generated = list(GeneratedTape(TapeSettings(("DEMO",))))
    assert list(open_tape(str(csv), [])) == generated
    trades = sum(isinstance(event, Trade) for event in generated)
    for path in (parquet, csv, lean):
        shown = run("info", path).output
        assert f"{trades:,}" in shown
        assert f"{12_000 - trades:,}" in shown
        assert "2024-03-04 14:30:00" in shown


def test_what_was_left_out_is_shown_and_strict_stops_at_it(tmp_path: Path) -> None:
    """`info` counts bad rows by reason; `--strict` names the first by file and line."""
    path = tmp_path / "tape.csv"
    assert run("convert", "generated", path).exit_code == 0
    path.write_text(path.read_text() + "trade,DEMO,5,100,3,,,,\ntrade,DEMO\n")
    shown = run("info", path).output
    assert "2 rows are no events" in shown
    assert "time goes backwards" in shown
    assert "wrong number of columns" in shown
    with pytest.raises(InputError, match=rf"^{path}:12002: .*time goes backwards$"):
        raise run("info", "--strict", path).exception or AssertionError


def test_a_store_is_asked_in_sql(tmp_path: Path) -> None:
    """One line a row, tabs between the columns."""
    store = ParquetTickStore(tmp_path, epoch=1)
    store.append([Trade("IBM", 100, 3, 1), Trade("IBM", 200, 4, 2), Trade("BAC", 5, 6, 2)])
    store.flush()
    sql = "select symbol, count(*), sum(price_e4 * size) from trade group by 1 order by 1"
    assert run("query", tmp_path, sql).output == "BAC\t1\t30\nIBM\t2\t1100\n"


@pytest.mark.parametrize("arguments", [("info", "nowhere.csv"), ("convert", "nowhere.csv", "x.parquet")])
def test_a_missing_tape_is_one_line(arguments: tuple[str, ...]) -> None:
    """The error is the one that the console script turns into a line and exit code 2."""
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert str(error) == "nowhere.csv: no such file or folder"


@pytest.mark.parametrize("folder", ["empty", "ibm", "market-data-store"])
def test_a_folder_without_ticks_says_what_belongs_in_one(tmp_path: Path, folder: str) -> None:
    """Also the folder of one symbol, which is one level too deep."""
    (tmp_path / folder).mkdir()
    if folder == "ibm":
        (tmp_path / folder / "20131007_trade.zip").touch()
    if folder == "market-data-store":
        (tmp_path / folder / "ticks").mkdir()
    with pytest.raises(
        InputError, match=f"{folder}: no ticks in it: give the folder that holds equity/usa/tick/SYMBOL/"
    ):
        open_tape(str(tmp_path / folder), [])
