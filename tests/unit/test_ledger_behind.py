"""A ledger that lost what it had acknowledged approves no order: what is held and what works is not in it."""

import pytest

from tradingmesh.core.checks import Approved, Check, Refused, Writer
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk

ENGINE = Writer(OUTBOX, 3)


@pytest.fixture
def lost() -> RiskDesk:
    """A risk manager that begins with an empty journal, beside an outbox of which three reports were acknowledged."""
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    return desk


def test_an_order_is_refused_while_its_symbol_lacks_reports(lost: RiskDesk) -> None:
    """Until the last that was acknowledged is back; the reason names both numbers."""
    fills = [lost.filled(lost.signal(f"f{n}", Side.BUY, "1"), "1", "100", ours=False) for n in range(3)]
    signal = lost.signal("s", Side.BUY, "1")
    assert isinstance(lost.ask(signal), Approved)
    for booked, have in zip(fills, range(3), strict=True):
        refused = lost.confirm(signal, writer=ENGINE, symbol_acked=3, acked=3)
        assert isinstance(refused, Refused)
        assert refused.check is Check.JOURNAL
        assert f"{have} of 3 reports of IBM" in refused.reason
        lost.apply(booked)
    assert isinstance(lost.confirm(signal, writer=ENGINE, symbol_acked=3, acked=3), Approved)


def test_what_other_symbols_lack_counts_too(lost: RiskDesk) -> None:
    """The day's loss, the gross notional and the open orders are over all symbols."""
    fill = lost.filled(lost.signal("f", Side.BUY, "1", "BAC"), "1", "100", ours=False)
    signal = lost.signal("s", Side.BUY, "1")
    lost.ask(signal)
    refused = lost.confirm(signal, writer=ENGINE, acked=1)
    assert isinstance(refused, Refused)
    assert "0 of 1 reports of that outbox" in refused.reason
    lost.apply(fill)
    assert isinstance(lost.confirm(signal, writer=ENGINE, acked=1), Approved)


def test_a_report_that_is_set_aside_counts_as_taken(lost: RiskDesk) -> None:
    """It was acknowledged as well, and will never be booked: a person was told."""
    lost.core.apply(PoisonReport(Place(OUTBOX, "IBM", 1), b"\xc1", "unreadable"), lost.now_ns)
    signal = lost.signal("s", Side.BUY, "1")
    lost.ask(signal)
    assert isinstance(lost.confirm(signal, writer=ENGINE, symbol_acked=1, acked=1), Approved)


def test_a_restored_ledger_has_counted_them(lost: RiskDesk) -> None:
    """From the records, and from a snapshot; of another outbox nothing counts."""
    lost.apply(lost.filled(lost.signal("f", Side.BUY, "1"), "1", "100", ours=False))
    again, copied = lost.restarted(), RiskDesk().core
    copied.restore([], again.state.snapshot())
    for core in (again, copied):
        assert core.state.reports.taken_of(OUTBOX) == 1
        assert core.state.reports.taken_of(OUTBOX + 1) == 0
