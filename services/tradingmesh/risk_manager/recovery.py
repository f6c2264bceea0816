"""Brings a new core to where the journal's last life ended."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tradingmesh.core.errors import JournalError
from tradingmesh.core.journal.chain import Entry, Kind
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.records import RiskRecord, decode
from tradingmesh.core.risk.snapshot import decode_snapshot
from tradingmesh.ports import Journal
from tradingmesh.telemetry.logs import Logger


class Recovered(NamedTuple):
    """The position of the snapshot that was taken (0: none), and that of the last record."""

    snapshot: int
    last: int


def recover(core: RiskCore, journal: Journal, log: Logger) -> Recovered:
    """Restores the core.

    A snapshot of another program is passed over: then every record is folded, from the first one on. Raises
    `JournalError` naming a record that is none.
    """
    entries = list(journal.recover())
    last = entries[-1].position if entries else 0
    if not entries or entries[0].kind != Kind.SNAPSHOT:
        core.restore(_records(entries))
        return Recovered(0, last)
    try:
        snapshot = decode_snapshot(entries[0].record)
    except JournalError as error:
        log.warning("every record is folded again", snapshot=entries[0].position, reason=str(error))
        core.restore(_records(journal.entries()))
        return Recovered(0, last)
    core.restore(_records(entries), snapshot)
    return Recovered(entries[0].position, last)


def _records(entries: Iterable[Entry]) -> Iterator[RiskRecord]:
    for entry in entries:
        if entry.kind == Kind.RECORD:
            try:
                yield decode(entry.record)
            except JournalError as error:
                raise JournalError(f"record {entry.position}: {error}") from None
