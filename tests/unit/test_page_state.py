"""The live page is a state folded from what is heard: exact, bounded, and whatever comes, it can be shown."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.page_told import any_event, beat, canceled, filled, ledger, placed, refused
from tradingmesh.contract import TradingState
from tradingmesh.core.events import StageLatency, SystemEvent
from tradingmesh.core.page.curve import POINTS_MAX
from tradingmesh.core.page.rows import COMPONENTS_MAX, FEED_MAX, FILLS_MAX, ORDERS_MAX, TEXT_MAX, SymbolRow
from tradingmesh.core.page.sections import SILENT_AFTER_MS, STAGE_OLD_MS, snapshot
from tradingmesh.core.page.state import Look, PageState, begin, step
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.trading_status import TradingStatus, Withdraw

NS = 1_700_000_000_000_000_000
HALTED = TradingStatus(
    trading=TradingState.HALTED,
    manifest_trading=TradingState.ACTIVE,
    switch=TradingState.HALTED,
    breaker=BreakerState.CLOSED,
    breaker_reason="",
    breaker_since_ns=5_000_000,
    flattening=False,
    refused="trading is Halted",
    withdraw=Withdraw.ALL_BUT,
)


def after(*heard: SystemEvent | Look) -> PageState:
    state = begin(NS, "simulated")
    for one in heard:
        state = step(state, one)
    return state


def told(*heard: SystemEvent | Look) -> dict[str, Any]:
    """The page as a browser reads it."""
    sections: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(snapshot(after(*heard))))
    return sections


def test_the_ledger_is_the_last_one_told() -> None:
    """As text, to the digit; each is a point of the curve."""
    page = told(ledger("1000.10", 1), ledger("962728.4965", 2, profit="-12.3", positions={"KO": "300"}))
    assert page["ledger"]["ledger"]["cash"] == "962728.4965"
    assert [(one["symbol"], one["quantity"]) for one in page["ledger"]["ledger"]["positions"]] == [("KO", "300")]
    assert page["curve"] == [[1, "0", "1000.10"], [2, "-12.3", "962728.4965"]]


def test_orders_and_fills_are_counted_beyond_the_table() -> None:
    """The tables have the newest; the count is of all that was heard."""
    orders = [placed(str(number)) for number in range(ORDERS_MAX + 3)]
    page = told(*orders, filled("1", "100"), filled("1", "100"), canceled("2"))
    assert (page["orders"]["heard"], len(page["orders"]["rows"])) == (ORDERS_MAX + 3, ORDERS_MAX)
    assert (page["fills"]["heard"], len(page["fills"]["rows"])) == (1, 1)


def test_an_order_is_shown_with_its_status() -> None:
    """In Alpaca's words; what was never heard of its quantity is left empty."""
    page = told(placed("a"), filled("a", "100"), filled("b", "5"))
    shown = {row["client_order_id"]: (row["quantity"], row["filled"], row["status"]) for row in page["orders"]["rows"]}
    assert shown == {"a": ("300", "100", "partially_filled"), "b": ("", "5", "partially_filled")}


def test_trading_is_known_while_it_is_repeated() -> None:
    """Then what was said last stands there as no longer known."""
    for age_ms, known in ((0, True), (SILENT_AFTER_MS - 1, True), (SILENT_AFTER_MS, False)):
        trading = told(Look(NS, HALTED, age_ms))["trading"]
        assert (trading["trading"], trading["known"], trading["refused"]) == ("Halted", known, "trading is Halted")
    assert told(Look(NS))["trading"] == {"known": False}


def test_the_slowest_instance_is_the_stages_figure() -> None:
    """Stages in the order of a tick's way, those nobody has a place for at the end."""
    page = told(
        beat("fill-processor-1", 1, StageLatency("book", 1.0, 9.0, 3)),
        beat("fill-processor-2", 1, StageLatency("book", 2.0, 8.0, 4)),
        beat("signal-generator", 1, StageLatency("tick_to_signal", 5.0, 6.0, 7), StageLatency("feed", 1.0, 2.0, 1)),
    )
    assert [one["stage"] for one in page["stages"]] == ["feed", "tick_to_signal", "book"]
    assert (page["stages"][2]["p99_us"], page["stages"][2]["component"]) == (9.0, "fill-processor")


def test_what_was_slow_long_ago_hides_nothing() -> None:
    """An instance that is gone has its last figures for a while: they do not stand for those of one that works."""
    gone = beat("fill-processor-1", 1, StageLatency("book", 1.0, 900.0, 3))
    works = beat("fill-processor-2", 1, StageLatency("book", 1.0, 9.0, 3))
    later = Look(NS + (STAGE_OLD_MS + 1) * 10**6)
    for heard in ((gone, later, works), (works, gone, later, works), (gone, works)):
        [book] = told(*heard)["stages"]
        assert book["p99_us"] == (9.0 if later in heard else 900.0)


def test_when_something_was_heard_is_of_the_clock_here() -> None:
    """Of one whose clock is ahead, all would look new long after its end."""
    later = Look(NS + 3_000_000)
    page = told(later, ledger("1", 10**15), beat("risk-manager", 10**15, StageLatency("book", 1.0, 2.0, 3)))
    heard_ms = [page["ledger"]["heard_ms"], page["components"][0]["heard_ms"], page["stages"][0]["at_ms"]]
    assert heard_ms == [NS // 10**6 + 3] * 3


def test_the_market_and_the_clock_are_as_last_looked_at() -> None:
    """In milliseconds: a browser's numbers hold these exactly."""
    page = told(Look(NS + 5_000_000, ticks=12, symbols=(SymbolRow("IBM", "190.25", 7),), missed=2))
    assert page["market"] == {"ticks": 12, "symbols": [{"symbol": "IBM", "price": "190.25", "heard_ms": 7}]}
    assert page["clock"] == {"now_ms": NS // 10**6 + 5, "began_ms": NS // 10**6, "mode": "simulated", "missed": 2}


def test_a_state_is_never_changed() -> None:
    """Who holds one keeps it: the fold makes another."""
    before = after(placed("a"))
    step(before, filled("a", "300"))
    assert before == after(placed("a"))


def test_an_empty_page_has_every_section() -> None:
    """Who opens it before anything happened sees that nothing has."""
    assert set(told()) == set(told(placed("a"), ledger("1"), refused("IBM", "x"), beat("x")))


@given(st.lists(any_event, max_size=25))
@settings(max_examples=60)
def test_whatever_is_heard_can_be_shown(heard: list[SystemEvent]) -> None:
    """Amounts that are none, texts without end, times from nowhere: JSON of a bounded size, no money as a number."""
    encoded = msgspec.json.encode(snapshot(after(*heard, Look(NS))))
    assert len(encoded) < 100_000
    page = msgspec.json.decode(encoded)
    for row in page["orders"]["rows"] + page["fills"]["rows"]:
        for name in {"quantity", "filled", "price", "commission", "slippage"} & set(row):
            assert isinstance(row[name], str)


def test_every_table_is_bounded() -> None:
    """However much is heard."""
    state = begin(NS, "simulated")
    for n in range(400):
        for event in (placed(str(n)), filled(str(n), "1"), ledger("1", n), beat(f"x{n}", n)):
            state = step(state, event)
    assert (len(state.orders), len(state.fills), len(state.feed)) == (ORDERS_MAX, FILLS_MAX, FEED_MAX)
    assert len(state.components) == COMPONENTS_MAX
    assert len(msgspec.json.encode(snapshot(state))) < 150_000


def test_a_ledger_of_long_words_does_not_fill_the_curve() -> None:
    """Each look is a point, and a point is short."""
    state = begin(NS, "simulated")
    for n in range(2 * POINTS_MAX):
        state = step(state, ledger("9" * 10_000, n, profit="8" * 10_000))
    assert len(msgspec.json.encode(snapshot(state)["curve"])) < POINTS_MAX * 3 * TEXT_MAX


@pytest.mark.parametrize("cash", ["", "NaN", "<script>", "x" * 300])
def test_what_the_ledger_says_is_passed_on_as_text(cash: str) -> None:
    """The page shows text as text; it is the ledger's own word, so it is not cut or judged."""
    assert told(ledger(cash))["ledger"]["ledger"]["cash"] == cash
