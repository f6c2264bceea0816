"""`tradingmesh journal verify | show`: proves a risk manager's journal, and prints what it holds. It only reads."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from tradingmesh.adapters.journals import FILE, Entries, Place, read_journal
from tradingmesh.contract import Component, TradingSystem
from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import START, Entry, Kind
from tradingmesh.core.risk.records import decode
from tradingmesh.core.risk.snapshot import decode_snapshot
from tradingmesh.runtime.journal_place import journal_place
from tradingmesh.runtime.settings import Settings, load_manifest, load_settings

app = typer.Typer(help="Prove the journal, and look into it.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="A journal, or a folder with one: a run's, or `var`.")]
File = Annotated[Path | None, typer.Option("--file", "-f", help="The manifest: it may name PostgreSQL.")]
_RUNS = ("", Component.RISK_MANAGER, f"data/{Component.RISK_MANAGER}", f"runs/latest/data/{Component.RISK_MANAGER}")
"""Where a risk manager's folder may be, seen from a data folder."""


@app.command()
def verify(data_dir: DataDir = None, file: File = None) -> None:
    """Check every record's hash, from the first to the last, archive and all; exit 1 naming the first bad one.

    The files of a running risk manager are its own: stop it first. A journal in PostgreSQL is read beside it.
    """
    with _opened(data_dir, file) as (place, journal):
        last, newest, kinds = START, None, Counter[str]()
        for entry in journal.entries():
            kinds[_told(entry)["type"]] += 1
            last = entry.link
            newest = entry if entry.kind == Kind.SNAPSHOT else newest
        missed = journal.missed(last.position)
    snapshots = kinds.pop("snapshot", 0)
    typer.echo(f"{place}: whole")
    typer.echo(f"head       {last.position} {last.hash.hex()}")
    typer.echo(f"snapshots  {snapshots}{_about(newest)}")
    typer.echo(f"records    {kinds.total()}" + "".join(f", {kind} {count}" for kind, count in kinds.most_common()))
    if missed:
        typer.echo(f"warning    {missed}")


@app.command()
def show(
    data_dir: DataDir = None,
    file: File = None,
    first: Annotated[int, typer.Option("--from", min=1, help="From this record on.")] = 1,
    last: Annotated[int | None, typer.Option("--last", min=1, help="Only so many, the last ones.")] = None,
) -> None:
    """Print the records, one JSON object a line, each proved before it is printed."""
    with _opened(data_dir, file) as (_, journal):
        entries: Iterable[Entry] = (entry for entry in journal.entries() if entry.position >= first)
        for entry in entries if last is None else deque(entries, last):
            typer.echo(msgspec.json.encode(_told(entry)))


def find(folder: Path) -> Path:
    """The journal there. Raises `JournalError` where there is none."""
    if folder.is_file():
        return folder
    found = next((path for run in _RUNS if (path := folder / run / FILE).exists()), None)
    if found is None:
        raise JournalError(f"{folder}: there is no {FILE} here, nor in {', nor in '.join(_RUNS[1:])}")
    return found


@contextmanager
def _opened(data_dir: Path | None, file: Path | None) -> Iterator[tuple[Place, Entries]]:
    place = _place(load_settings(), data_dir, file)
    with read_journal(place) as journal:
        yield place, journal


def _place(settings: Settings, data_dir: Path | None, file: Path | None) -> Place:
    """Where the options say; otherwise where the manifest does, the one that the environment names as well."""
    if data_dir is not None:
        return Place(find(data_dir))
    manifest = file or settings.system_file
    if file is None and not manifest.exists():
        return Place(find(settings.instance_dir))
    system = load_manifest(manifest)
    if system.spec.persistence.postgres is None:
        return Place(find(_data_dir(settings, system, manifest)))
    named = {"postgres_schema": settings.postgres_schema or system.metadata.name}
    return journal_place(system.spec, settings.model_copy(update=named), Path())


def _data_dir(settings: Settings, system: TradingSystem, manifest: Path) -> Path:
    """A run keeps its manifest beside its data; paper and live keep theirs under the system's name; a pod its own."""
    folders = (manifest.parent / "data", settings.data_dir / "systems" / system.metadata.name)
    return next((folder for folder in folders if folder.is_dir()), settings.instance_dir)


def _told(entry: Entry) -> dict[str, Any]:
    """The entry for a person. Raises `JournalError` naming one that the risk manager did not write."""
    named = {"position": entry.position, "hash": entry.hash.hex()}
    if entry.kind == Kind.SNAPSHOT:
        return {**named, "type": "snapshot", "bytes": len(entry.record)}
    try:
        record: dict[str, Any] = msgspec.to_builtins(decode(entry.record))
    except JournalError as error:
        raise JournalError(f"record {entry.position}: {error}") from None
    return {**named, **record}


def _about(snapshot: Entry | None) -> str:
    if snapshot is None:
        return ""
    try:
        decode_snapshot(snapshot.record)
    except JournalError:
        return f", the newest {snapshot.position}, of another program: a start folds every record instead"
    return f", the newest {snapshot.position}"
