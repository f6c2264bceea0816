"""The journal in a real PostgreSQL: what is committed comes back, whatever happens to the connection or the server."""

import time
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest

from tradingmesh.adapters import journal_postgres
from tradingmesh.adapters.journal_postgres import PostgresJournal
from tradingmesh.adapters.journal_postgres_read import opened
from tradingmesh.core.errors import ConfigError, JournalError
from tradingmesh.core.journal.chain import START, Kind, checked
from tradingmesh.testing.postgres_server import PostgresServer

Open = Callable[[], PostgresJournal]
_NUMBERS = count()


@pytest.fixture
def schema() -> str:
    """A system's name that no other test has, as long as one may be."""
    return f"a-system-{next(_NUMBERS)}-".ljust(63, "x")


@pytest.fixture
def open_(postgres_server: PostgresServer, schema: str) -> Iterator[Open]:
    """Opens the journal of this test; whatever was opened is let go at its end."""
    made: list[PostgresJournal] = []

    def open_journal() -> PostgresJournal:
        made.append(PostgresJournal(postgres_server.url, schema))
        return made[-1]

    yield open_journal
    for journal in made:
        journal._db.close()


def _records(journal: PostgresJournal) -> list[bytes]:
    return [entry.record for entry in journal.entries()]


def _written(journal: PostgresJournal, *records: bytes) -> PostgresJournal:
    for record in records:
        journal.append(record)
    journal.commit()
    return journal


def _commit(journal: PostgresJournal) -> None:
    """Commits, as soon as the server has seen that the session before this one is gone: until then it has the lock."""
    give_up_s = time.monotonic() + 30
    while True:
        try:
            return journal.commit()
        except JournalError as error:
            if "another process holds the journal" not in str(error) or time.monotonic() > give_up_s:
                raise
            time.sleep(0.01)


def _kill(journal: PostgresJournal) -> None:
    """The process ends without a word: its session is gone."""
    journal._db.close()


def test_committed_records_come_back_in_order(open_: Open) -> None:
    """Positions count from 1, over restarts, and the chain goes on; flushed ones are there as well."""
    journal = open_()
    assert [journal.append(b"one"), journal.append(b"two")] == [1, 2]
    journal.close()
    again = open_()
    assert again.append(b"three") == 3
    again.flush()
    again.append(b"lost")
    _kill(again)
    third = open_()
    assert _records(third) == [b"one", b"two", b"three"]
    assert [entry.position for entry in checked(third.recover(), START, "")] == [1, 2, 3]


def test_a_second_writer_is_refused(open_: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as the first one is there; a reader is let in."""
    holder = _written(open_(), b"one")
    with monkeypatch.context() as impatient:
        impatient.setattr(journal_postgres, "_LOCK_WAIT", "10ms")
        with pytest.raises(JournalError, match="another process holds the journal"):
            open_()
    with opened(holder._url, holder._schema) as entries:
        assert [entry.record for entry in entries.entries()] == [b"one"]
    _kill(holder)
    assert _records(open_()) == [b"one"]


def test_a_new_life_begins_at_the_newest_snapshot(open_: Open) -> None:
    """And checks the chain from the last but one on."""
    journal = open_()
    for number in range(1, 14):
        journal.append(b"%d" % number, Kind.RECORD if number % 4 else Kind.SNAPSHOT)
    journal.close()
    again = open_()
    assert [entry.position for entry in again.recover()] == [12, 13]
    assert next(again._entries.live()).position == 8
    assert len(_records(again)) == 13


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE {}.journal SET record = 'x' WHERE position = 2", "record 2 is damaged"),
        ("UPDATE {}.journal SET hash = 'x' WHERE position = 2", "record 2 is damaged"),
        ("DELETE FROM {}.journal WHERE position = 2", "record 2 is missing"),
        ("DELETE FROM {}.journal WHERE position > 1", "records 2 to 3 were committed, and are gone"),
        ("UPDATE {}.head SET position = 2", "record 2 is not the one that was committed"),
        (
            "UPDATE {0}.head SET (position, hash) = (SELECT position, hash FROM {0}.journal WHERE position = 2)",
            "beyond",
        ),
        ("DELETE FROM {}.head", "record 3 is beyond the journal's head"),
    ],
)
def test_a_damaged_record_is_named(
    open_: Open, schema: str, postgres_server: PostgresServer, damage: str, said: str
) -> None:
    """Neither a changed nor a missing record goes unnoticed."""
    _written(open_(), b"one", b"two", b"three").close()
    postgres_server.execute(damage.format(f'"{schema}"'))
    with pytest.raises(JournalError, match=said):
        open_()


def test_a_lost_connection_loses_and_doubles_nothing(open_: Open, postgres_server: PostgresServer) -> None:
    """The server sends everybody away: the next write says so, and the one after it goes on where the server stands."""
    journal = _written(open_(), b"one")
    for number in range(3):
        journal.append(b"x%d" % number)
        journal.flush()
        postgres_server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name <> ''")
        journal.append(b"y%d" % number)
        with pytest.raises(JournalError, match="cannot write the journal"):
            journal.commit()
        _commit(journal)
    assert _records(journal) == [b"one", b"x0", b"y0", b"x1", b"y1", b"x2", b"y2"]


def test_a_write_that_came_about_unheard_is_not_repeated(open_: Open) -> None:
    """The answer was lost with the connection."""
    journal = _written(open_(), b"one")
    journal.append(b"two")
    journal._write("on")
    journal._unsure = True
    journal._db.close()
    journal.append(b"three")
    _commit(journal)
    assert _records(journal) == [b"one", b"two", b"three"]


def test_what_a_crash_of_the_server_took_is_written_again(open_: Open, postgres_server: PostgresServer) -> None:
    """Flushed entries may be gone with it; while it is away nothing is written, and afterwards nothing is missing."""
    journal = _written(open_(), b"one")
    for number in range(20):
        journal.append(b"f%d" % number)
        journal.flush()
    postgres_server.crash()
    journal.append(b"last")
    for _ in range(2):
        with pytest.raises(JournalError, match=r"cannot (write|connect to) the journal"):
            journal.commit()
    postgres_server.start()
    _commit(journal)
    assert _records(journal) == [b"one", *(b"f%d" % number for number in range(20)), b"last"]


def test_flushed_entries_that_are_gone_are_written_again(
    open_: Open, schema: str, postgres_server: PostgresServer
) -> None:
    """As after a crash that took them for certain: the server stands where the last commit left it."""
    journal = _written(open_(), b"one")
    journal.append(b"two")
    journal.flush()
    name = f'"{schema}"'
    postgres_server.execute(f"DELETE FROM {name}.journal WHERE position = 2")  # noqa: S608 - the test's own name
    postgres_server.execute(f"UPDATE {name}.head SET (position, hash) = (SELECT position, hash FROM {name}.journal)")  # noqa: S608
    journal._db.close()
    journal._unsure = True
    _commit(journal)
    assert _records(journal) == [b"one", b"two"]


def test_another_writer_is_noticed(open_: Open, schema: str, postgres_server: PostgresServer) -> None:
    """Should the lock ever fail: nothing is written over what somebody else wrote."""
    journal = _written(open_(), b"one")
    postgres_server.execute(f'UPDATE "{schema}".head SET position = 7')  # noqa: S608
    journal.append(b"two")
    with pytest.raises(JournalError, match="somebody else wrote"):
        journal.commit()
    with pytest.raises(JournalError, match="record 7 is not the one that was written"):
        journal.commit()
    assert [entry.record for entry in journal._entries.rows()] == [b"one"]


def test_commit_waits_for_the_disk_and_flush_does_not(open_: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was only flushed is synced by the next commit, which has nothing else to write."""
    journal = open_()
    modes: list[str] = []
    write = journal._write

    def noted(mode: str) -> None:
        modes.append(mode)
        write(mode)

    monkeypatch.setattr(journal, "_write", noted)
    journal.append(b"one")
    journal.flush()
    journal.commit()
    journal.commit()
    assert modes == ["off", "on"]


def test_what_is_no_url_is_told_without_its_password() -> None:
    """It is in the environment, and a log is read by many."""
    with pytest.raises(ConfigError, match="TRADINGMESH_POSTGRES_URL: not a URL") as told:
        PostgresJournal("postgresql//me:secret@host", "system")
    assert "secret" not in str(told.value)


def test_a_server_that_is_away_is_told_in_one_line() -> None:
    """At start, where no trade waits."""
    with pytest.raises(JournalError, match=r"PostgreSQL: cannot connect to the journal: .*refused") as told:
        PostgresJournal("postgresql://me:secret@127.0.0.1:1/none", "system")
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


def test_a_schema_without_a_journal_is_told(postgres_server: PostgresServer) -> None:
    """Who reads makes nothing."""
    with pytest.raises(JournalError, match="there is no journal"), opened(postgres_server.url, "nobody"):
        raise AssertionError
    with psycopg.connect(postgres_server.url) as db:
        assert db.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'nobody'").fetchone() is None
