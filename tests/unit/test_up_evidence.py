"""What a run leaves behind is read as it is: the broker's account from its JSON, the ledger's from the journal."""

from decimal import Decimal
from pathlib import Path

import pytest

from tradingmesh.adapters.journal_sqlite import SqliteJournal
from tradingmesh.adapters.journals import Place
from tradingmesh.cli.up_audit import Account, Execution, audit
from tradingmesh.cli.up_evidence import JOURNAL, broker_account, read_account
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import BookedReport, Fill, Report
from tradingmesh.core.risk.records import ReportBooked, encode
from tradingmesh.core.signal import Side

CASH = Decimal(1000)
STATE = {
    "cash": "749.98",
    "positions": {"IBM": "100"},
    "fills": [
        {"execution_id": "e1", "symbol": "IBM", "side": "buy", "qty": "100", "price": "2.5", "order_id": "o"},
    ],
}


def _journal(data_dir: Path) -> Path:
    path = data_dir / JOURNAL
    path.parent.mkdir()
    amount, commission = Decimal(100), Decimal("0.02")
    fill = Fill("e1", "o", "c", "IBM", Side.BUY, amount, Decimal("2.50"), amount, 1)
    booked = BookedReport(Report(1, 1, "", fill), commission, Decimal("-250.02"))
    journal = SqliteJournal(path)
    journal.append(encode(ReportBooked(booked)))
    journal.close()
    return path


def test_the_brokers_account_is_read_exactly() -> None:
    """Text becomes Decimal; nothing passes through a float."""
    execution = Execution("IBM", Side.BUY, Decimal(100), Decimal("2.5"))
    assert broker_account(STATE) == Account(Decimal("749.98"), {"IBM": Decimal(100)}, (("e1", execution),))


def test_the_journal_gives_the_same_account(tmp_path: Path) -> None:
    """The fill of the broker's account, booked with its commission."""
    _journal(tmp_path)
    ledger, aside = read_account(Place(tmp_path / JOURNAL), CASH)
    assert aside == ()
    assert audit(broker_account(STATE), ledger).differences == ()


def test_a_damaged_journal_is_an_error_not_an_account(tmp_path: Path) -> None:
    """A run is not judged by what may be wrong."""
    path = _journal(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"IBM", b"IBX"))
    with pytest.raises(JournalError, match="damaged"):
        read_account(Place(tmp_path / JOURNAL), CASH)
