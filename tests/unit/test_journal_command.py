"""`tradingmesh journal`: what it says of a whole journal and of a damaged one, and where it looks for it."""

import json
import sqlite3
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from tradingmesh.adapters.journal_files import archive_path
from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.adapters.journals import FILE
from tradingmesh.cli.journal import app, find
from tradingmesh.contract import TradingState
from tradingmesh.core.errors import ConfigError, JournalError
from tradingmesh.core.journal.chain import Kind
from tradingmesh.core.risk.records import Expired, SwitchSet, encode
from tradingmesh.core.risk.snapshot import encode_snapshot
from tradingmesh.testing.risk_desk import RiskDesk


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Nine records and three snapshots, the first ones in the archive."""
    path = tmp_path / "data" / "risk-manager" / FILE
    path.parent.mkdir(parents=True)
    journal = SqliteJournal(path)
    for _ in range(3):
        for _ in range(2):
            journal.append(encode(Expired("r-1")))
        journal.append(encode(SwitchSet(TradingState.HALTED)))
        journal.append(encode_snapshot(RiskDesk().core.state.snapshot()), Kind.SNAPSHOT)
    journal.commit()
    journal.compact()
    journal.close()
    return path


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _refused(*arguments: object) -> str:
    result = _run(*arguments)
    assert isinstance(result.exception, JournalError)
    return str(result.exception)


def test_a_whole_journal_is_described(path: Path) -> None:
    """Its head, its snapshots and its records by kind, archive and all."""
    first, head, *rest = _run("verify", "--data-dir", path).stdout.splitlines()
    assert first == f"{path}: whole"
    assert head.startswith("head       12 ")
    assert len(head.split()[2]) == 64
    assert rest == ["snapshots  3, the newest 12", "records    9, expired 6, switch-set 3"]


def test_the_first_bad_record_is_named(path: Path) -> None:
    """Also in the archive, which no start reads."""
    with sqlite3.connect(archive_path(path)) as database:
        database.execute("UPDATE journal SET record = x'00' WHERE position = 2")
    database.close()
    assert "record 2 is damaged" in _refused("verify", "--data-dir", path)


def test_a_record_of_something_else_is_named(path: Path) -> None:
    """Whole as a record, and none of the risk manager's."""
    journal = SqliteJournal(path)
    journal.append(b"\xc1")
    journal.close()
    assert _refused("verify", "--data-dir", path).startswith(
        "record 13: a journal record is not one of the risk manager's"
    )


def test_a_snapshot_of_another_program_is_told(path: Path) -> None:
    """It is no damage: a start does without it."""
    journal = SqliteJournal(path)
    journal.append(b"\x80", Kind.SNAPSHOT)
    journal.close()
    said = _run("verify", "--data-dir", path).stdout
    assert "snapshots  4, the newest 13, of another program: a start folds every record instead" in said


def test_what_a_power_cut_took_is_told(path: Path) -> None:
    """It was never promised to be on disk, but it was there."""
    journal = SqliteJournal(path)
    journal.append(encode(Expired("r-2")))
    journal.flush()
    journal._live.db.execute("DELETE FROM journal WHERE position = 13")
    journal._live.close()
    assert journal._archive is not None
    journal._archive.close()
    said = _run("verify", "--data-dir", path).stdout
    assert "warning    records 13 to 13 were never synced to disk, and are gone: power was lost" in said


def test_records_are_shown_one_a_line(path: Path) -> None:
    """All of them, from one on, or the last ones."""
    every = [json.loads(line) for line in _run("show", "--data-dir", path).stdout.splitlines()]
    assert [shown["position"] for shown in every] == list(range(1, 13))
    assert {key: every[2][key] for key in ("type", "trading")} == {"type": "switch-set", "trading": "Halted"}
    assert (every[3]["type"], len(every[3]["hash"])) == ("snapshot", 64)
    some = _run("show", "--data-dir", path, "--from", 5, "--last", 2).stdout.splitlines()
    assert [json.loads(line) for line in some] == every[-2:]


def test_a_running_risk_managers_journal_is_its_own(path: Path) -> None:
    """A clear sentence, not a lock error."""
    holder = SqliteJournal(path)
    assert "another process holds the journal" in _refused("verify", "--data-dir", path)
    holder.close()


def test_it_is_found_from_above(path: Path, tmp_path: Path) -> None:
    """The file, its folder, a run, or the folder of all runs."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to(tmp_path)
    for folder in (path, path.parent, path.parents[1], path.parents[2]):
        assert find(folder).samefile(path)
    (path.parents[2] / "data").rename(tmp_path / "elsewhere")
    with pytest.raises(JournalError, match=r"there is no risk\.journal here, nor in risk-manager"):
        find(tmp_path)


def _manifest(folder: Path, **spec: object) -> Path:
    file = folder / "system.yaml"
    system = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "demo"}}
    file.write_text(yaml.safe_dump(system | {"spec": {"symbols": ["IBM"]} | spec}))
    return file


def test_a_manifest_says_where_it_is(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the manifest of a run; or under the data folder of the environment."""
    assert _run("verify", "-f", _manifest(tmp_path)).stdout.startswith(f"{path}: whole")
    monkeypatch.setenv("TRADINGMESH_DATA_DIR", str(tmp_path))
    assert _run("verify").stdout.startswith(f"{path}: whole")


def test_in_a_pod_it_is_found_without_a_word(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment has the manifest, the data folder and the pod's name, under which the risk manager keeps it."""
    (own := tmp_path / "kept" / "demo-risk-manager-0").mkdir(parents=True)
    for file in path.parent.iterdir():
        file.rename(own / file.name)
    told = {"SYSTEM_FILE": _manifest(own.parent), "DATA_DIR": own.parent, "INSTANCE": own.name}
    for name, value in told.items():
        monkeypatch.setenv(f"TRADINGMESH_{name}", str(value))
    assert _run("verify").stdout.startswith(f"{own / FILE}: whole")


def test_a_manifest_with_postgres_needs_the_url(tmp_path: Path) -> None:
    """The variable and the secret are named."""
    file = _manifest(tmp_path, persistence={"postgres": {"urlSecretRef": {"name": "pg", "key": "url"}}})
    error = _run("verify", "-f", file).exception
    assert isinstance(error, ConfigError)
    assert (
        "TRADINGMESH_POSTGRES_URL is not set: spec.persistence.postgres keeps the journal in the database of secret pg"
        in str(error)
    )
