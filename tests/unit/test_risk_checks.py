"""Each pre-trade check: it passes at its limit, refuses one past it with the figures, and refuses when unset."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tradingmesh.contract import SymbolLimits, TradingState
from tradingmesh.core.checks import Approved, Check, Decision, Refused
from tradingmesh.core.signal import OrderType, Side
from tradingmesh.testing.risk_desk import SECOND_NS, RiskDesk, limits

BUY, SELL = Side.BUY, Side.SELL
ROOMY = SymbolLimits(max_order_quantity=Decimal(1_000))


def _desk(**changed: Any) -> RiskDesk:
    desk = RiskDesk(limits(**changed))
    desk.quote("IBM", "99.99", "100.01")
    desk.quote("BAC", "9.99", "10.01")
    return desk


def _refused(decision: Decision) -> tuple[Check, str]:
    assert isinstance(decision, Refused), decision
    return decision.check, decision.reason


def test_an_ordinary_order_passes_every_check() -> None:
    """The approval names the checks in their order, and when it lapses."""
    desk = _desk()
    decision = desk.ask(desk.signal("s1", BUY, "100"))
    assert isinstance(decision, Approved)
    assert decision.reservation_id == "r-s1"
    assert decision.expires_ns == desk.now_ns + 10 * SECOND_NS
    every = [check for check in Check if check not in (Check.FENCED, Check.JOURNAL)]
    assert decision.checks_passed == tuple(every[: every.index(Check.RESERVATION)])


@pytest.mark.parametrize(
    ("limit", "check", "name"),
    [
        ("max_order_quantity", Check.ORDER_QUANTITY, "maxOrderQuantity"),
        ("max_quote_age_ms", Check.QUOTE_AGE, "maxQuoteAge"),
        ("price_collar_percent", Check.PRICE_COLLAR, "priceCollarPercent"),
        ("max_order_notional", Check.ORDER_NOTIONAL, "maxOrderNotional"),
        ("max_position_quantity", Check.POSITION_QUANTITY, "maxPositionQuantity"),
        ("max_position_notional", Check.POSITION_NOTIONAL, "maxPositionNotional"),
        ("max_gross_notional", Check.GROSS_NOTIONAL, "maxGrossNotional"),
        ("max_open_orders", Check.OPEN_ORDERS, "maxOpenOrders"),
        ("max_orders_per_minute", Check.ORDER_RATE, "maxOrdersPerMinute"),
        ("max_daily_loss", Check.DAILY_LOSS, "maxDailyLoss"),
    ],
)
def test_an_unset_limit_refuses(limit: str, check: Check, name: str) -> None:
    """No limit is not the same as no end."""
    desk = _desk(**{limit: None})
    assert _refused(desk.ask(desk.signal("s1", BUY, "1"))) == (check, f"{check}: {name} is not set")


@pytest.mark.parametrize(
    ("changed", "at_limit", "over", "check", "said"),
    [
        ({"max_order_quantity": 100}, "100", "100.000000001", Check.ORDER_QUANTITY, "100.000000001, limit is 100"),
        ({"max_order_notional": Decimal(10_001)}, "100", "101", Check.ORDER_NOTIONAL, "10101.01, limit is 10001"),
        (
            {"max_order_quantity": 100, "max_position_quantity": 100, "per_symbol": {"IBM": ROOMY}},
            "100",
            "101",
            Check.POSITION_QUANTITY,
            "IBM would be 101 with working orders, limit is 100",
        ),
        (
            {"max_position_notional": Decimal(10_001)},
            "100",
            "101",
            Check.POSITION_NOTIONAL,
            "would be 10101.01 with working orders, limit is 10001",
        ),
        (
            {"max_gross_notional": Decimal(10_001)},
            "100",
            "101",
            Check.GROSS_NOTIONAL,
            "all positions would be 10101.01 with working orders, limit is 10001",
        ),
    ],
)
def test_size_limits(changed: dict[str, Any], at_limit: str, over: str, check: Check, said: str) -> None:
    """At the limit passes, one step over refuses with both figures."""
    desk = _desk(**changed)
    found, reason = _refused(desk.ask(desk.signal("over", BUY, over)))
    assert found is check
    assert said in reason
    assert isinstance(desk.ask(desk.signal("at", BUY, at_limit)), Approved)


def test_position_counts_working_orders_in_the_orders_direction() -> None:
    """Held 1500, 400 working: 100 more reach the limit, 101 pass it; sells do not make room."""
    desk = _desk()
    desk.buy("IBM", "1500", "100")
    assert isinstance(desk.ask(desk.signal("working", BUY, "400")), Approved)
    assert isinstance(desk.ask(desk.signal("other-way", SELL, "900")), Approved)
    assert _refused(desk.ask(desk.signal("over", BUY, "101"))) == (
        Check.POSITION_QUANTITY,
        "position-quantity: IBM would be 2001 with working orders, limit is 2000",
    )
    assert isinstance(desk.ask(desk.signal("at", BUY, "100")), Approved)


def test_a_short_position_is_limited_alike() -> None:
    """The figure is negative, as the position would be."""
    desk = _desk()
    desk.sell("IBM", "1500", "100")
    assert _refused(desk.ask(desk.signal("over", SELL, "501"))) == (
        Check.POSITION_QUANTITY,
        "position-quantity: IBM would be -2001 with working orders, limit is 2000",
    )
    assert isinstance(desk.ask(desk.signal("at", SELL, "500")), Approved)


def test_an_order_that_reduces_passes_a_position_over_its_limits() -> None:
    """Limits lowered below what is held must not lock it in."""
    desk = _desk(max_position_quantity=1_000, max_position_notional=100, max_gross_notional=100)
    desk.buy("IBM", "1500", "100")
    assert isinstance(desk.ask(desk.signal("out", SELL, "1000")), Approved)
    assert _refused(desk.ask(desk.signal("in", BUY, "1")))[0] is Check.POSITION_QUANTITY


def test_getting_flat_passes_whatever_the_notional_limit() -> None:
    """Buying back at the ask costs a little more than the mark: that little is no position."""
    desk = _desk(max_position_notional=Decimal("0.5"))
    desk.sell("IBM", "100", "100")
    assert isinstance(desk.ask(desk.signal("flat", BUY, "100")), Approved)


def test_gross_adds_up_every_symbols_larger_side() -> None:
    """Long 10,000 of IBM and short 5,000 of BAC are 15,000, not 5,000."""
    desk = _desk(max_gross_notional=Decimal(15_100))
    desk.buy("IBM", "100", "100")
    desk.sell("BAC", "500", "10")
    assert isinstance(desk.ask(desk.signal("at", SELL, "10", "BAC")), Approved)
    found, reason = _refused(desk.ask(desk.signal("over", SELL, "1", "BAC")))
    assert (found, reason) == (
        Check.GROSS_NOTIONAL,
        "gross-notional: all positions would be 15109.89 with working orders, limit is 15100",
    )


def test_gross_follows_the_marks() -> None:
    """A position worth more leaves less room."""
    desk = _desk(max_gross_notional=Decimal(15_000))
    desk.buy("IBM", "100", "100")
    desk.quote("IBM", "139.99", "140.01")
    assert _refused(desk.ask(desk.signal("over", BUY, "100", "BAC")))[0] is Check.GROSS_NOTIONAL
    desk.quote("IBM", "99.99", "100.01")
    assert isinstance(desk.ask(desk.signal("again", BUY, "100", "BAC")), Approved)


@pytest.mark.parametrize(
    ("side", "limit", "passes"),
    [(BUY, "103", True), (BUY, "103.01", False), (SELL, "97", True), (SELL, "96.99", False), (BUY, "90", False)],
)
def test_the_collar_holds_limit_prices_near_the_mid(side: Side, limit: str, passes: bool) -> None:  # noqa: FBT001
    """Three percent either way of the mid, 100."""
    desk = _desk()
    decision = desk.ask(desk.signal("s", side, "1", limit=limit))
    if passes:
        assert isinstance(decision, Approved)
    else:
        assert _refused(decision)[0] is Check.PRICE_COLLAR


def test_the_collar_holds_market_orders_by_the_quotes_far_side() -> None:
    """A spread so wide that the ask is 4 % over the mid is no price to buy at."""
    desk = _desk()
    desk.quote("IBM", "96", "104")
    assert _refused(desk.ask(desk.signal("s", BUY, "1"))) == (
        Check.PRICE_COLLAR,
        "price-collar: IBM at 104 is 4 % from the mid 100, limit is 3 %",
    )


def test_a_stop_order_is_held_by_its_stop_price() -> None:
    """A stop far from the market is refused as a limit would be."""
    desk = _desk()
    near = msgspec.structs.replace(
        desk.signal("near", SELL, "1"), order_type=OrderType.STOP, stop_price=Decimal("97.5")
    )
    far = msgspec.structs.replace(near, signal_id="far", stop_price=Decimal(90))
    assert isinstance(desk.ask(near), Approved)
    assert _refused(desk.ask(far))[0] is Check.PRICE_COLLAR


def test_an_old_quote_refuses() -> None:
    """Five seconds since it was received pass, one millisecond more does not."""
    desk = _desk()
    desk.wait(5)
    assert isinstance(desk.ask(desk.signal("at", BUY, "1")), Approved)
    desk.wait(0.001)
    assert _refused(desk.ask(desk.signal("over", BUY, "2"))) == (
        Check.QUOTE_AGE,
        "quote-age: the quote of IBM is 5001 ms old, limit is 5000 ms",
    )


def test_a_quote_that_was_old_when_it_came_refuses() -> None:
    """Fresh from the wire is not fresh from the market."""
    desk = _desk()
    desk.quote("IBM", "99.99", "100.01", at_ns=desk.now_ns - 6 * SECOND_NS)
    assert "6000 ms old" in _refused(desk.ask(desk.signal("s", BUY, "1")))[1]


def test_on_a_tape_the_markets_time_is_the_newest_tick() -> None:
    """A tape of another year is fresh; a symbol that lags behind the others on it is not."""
    desk = RiskDesk(market_clock="tape")
    desk.quote("IBM", "99.99", "100.01", at_ns=SECOND_NS)
    assert isinstance(desk.ask(desk.signal("fresh", BUY, "1")), Approved)
    desk.quote("BAC", "9.99", "10.01", at_ns=7 * SECOND_NS)
    assert "6000 ms old" in _refused(desk.ask(desk.signal("behind", BUY, "2")))[1]


@pytest.mark.parametrize(("bid", "ask"), [("0", "100"), ("100", "0")])
def test_a_one_sided_quote_refuses(bid: str, ask: str) -> None:
    """Without both sides there is no mid to hold a price to."""
    desk = _desk()
    desk.quote("IBM", bid, ask)
    assert _refused(desk.ask(desk.signal("s", BUY, "1", limit="100"))) == (
        Check.QUOTE_AGE,
        "quote-age: there is no two-sided quote of IBM",
    )


def test_a_symbol_without_a_quote_refuses() -> None:
    """A trade alone is not enough."""
    desk = _desk()
    desk.trade("F", "12")
    assert _refused(desk.ask(desk.signal("s", BUY, "1", "F")))[0] is Check.QUOTE_AGE


def test_restricted_symbols_refuse_even_what_reduces() -> None:
    """Restricted is restricted."""
    desk = _desk(restricted_symbols=["IBM"])
    desk.buy("IBM", "10", "100")
    assert _refused(desk.ask(desk.signal("s", SELL, "1"))) == (
        Check.RESTRICTED_SYMBOL,
        "restricted-symbol: IBM is restricted",
    )


def test_an_equal_order_within_the_window_is_a_duplicate() -> None:
    """Equal in strategy, symbol, side, quantity and price; it passes again when the window is over."""
    desk = _desk(duplicate_window_ms=1_000)
    assert isinstance(desk.ask(desk.signal("s1", BUY, "10")), Approved)
    desk.wait(0.999)
    assert _refused(desk.ask(desk.signal("s2", BUY, "10"))) == (
        Check.DUPLICATE,
        "duplicate: an equal order was approved 999 ms ago, the window is 1000 ms",
    )
    assert isinstance(desk.ask(desk.signal("other", BUY, "11")), Approved)
    desk.wait(0.001)
    assert isinstance(desk.ask(desk.signal("s3", BUY, "10")), Approved)


def test_open_orders_are_limited() -> None:
    """Two may be open, the third waits for one to end."""
    desk = _desk(max_open_orders=2)
    first = desk.signal("s1", BUY, "1")
    assert isinstance(desk.ask(first), Approved)
    assert isinstance(desk.ask(desk.signal("s2", BUY, "2")), Approved)
    assert _refused(desk.ask(desk.signal("s3", BUY, "3"))) == (
        Check.OPEN_ORDERS,
        "open-orders: 2 orders are open, limit is 2",
    )
    desk.apply(desk.closed(first))
    assert isinstance(desk.ask(desk.signal("s4", BUY, "3")), Approved)


def test_orders_a_minute_are_limited() -> None:
    """Two within a minute; the first leaves the window after sixty seconds, whether it ended or not."""
    desk = _desk(max_orders_per_minute=2, max_quote_age_ms=3_600_000)
    first = desk.signal("s1", BUY, "1")
    desk.ask(first)
    desk.apply(desk.closed(first))
    desk.wait(30)
    desk.ask(desk.signal("s2", BUY, "2"))
    desk.wait(29.999)
    assert _refused(desk.ask(desk.signal("s3", BUY, "3"))) == (
        Check.ORDER_RATE,
        "order-rate: 2 orders within a minute, limit is 2",
    )
    desk.wait(0.001)
    assert isinstance(desk.ask(desk.signal("s4", BUY, "3")), Approved)


def test_a_symbols_own_limits_win() -> None:
    """Over the general ones, both tighter and looser; what it leaves open stays general."""
    own = {"BAC": SymbolLimits(max_order_quantity=Decimal(50)), "IBM": SymbolLimits(max_order_quantity=Decimal(1_500))}
    desk = _desk(per_symbol=own)
    assert "51, limit is 50" in _refused(desk.ask(desk.signal("tight", BUY, "51", "BAC")))[1]
    assert isinstance(desk.ask(desk.signal("loose", BUY, "1500")), Approved)
    assert _refused(desk.ask(desk.signal("general", BUY, "1001", "IBM")))[0] is Check.POSITION_QUANTITY


def test_a_symbols_own_quote_age_wins() -> None:
    """A thin symbol may be given longer."""
    desk = _desk(per_symbol={"BAC": SymbolLimits.model_validate({"maxQuoteAge": "1m"})})
    desk.wait(6)
    assert isinstance(desk.ask(desk.signal("own", BUY, "1", "BAC")), Approved)
    assert _refused(desk.ask(desk.signal("general", BUY, "1")))[0] is Check.QUOTE_AGE


@pytest.mark.parametrize("source", ["manifest", "switch"])
@pytest.mark.parametrize(
    ("trading", "reducing", "raising"),
    [
        (TradingState.ACTIVE, True, True),
        (TradingState.REDUCING, True, False),
        (TradingState.HALTED, False, False),
    ],
)
def test_the_trading_state(source: str, trading: TradingState, reducing: bool, raising: bool) -> None:  # noqa: FBT001
    """Reducing passes what shrinks a position, Halted nothing, whoever says so."""
    desk = RiskDesk(trading=trading if source == "manifest" else TradingState.ACTIVE)
    desk.quote("IBM", "99.99", "100.01")
    desk.buy("IBM", "100", "100")
    if source == "switch":
        desk.core.set_switch(trading)
    assert isinstance(desk.ask(desk.signal("flip", SELL, "101")), Approved) is raising
    assert isinstance(desk.ask(desk.signal("out", SELL, "60" if raising else "100")), Approved) is reducing


def test_reducing_counts_working_orders() -> None:
    """Held 100, 60 on their way out: 40 more may go, 41 would flip the position."""
    desk = _desk()
    desk.buy("IBM", "100", "100")
    desk.ask(desk.signal("working", SELL, "60"))
    desk.core.set_switch(TradingState.REDUCING)
    assert _refused(desk.ask(desk.signal("flip", SELL, "41"))) == (
        Check.TRADING_STATE,
        "trading-state: trading is Reducing (manifest Active, switch Reducing) and the order would not only reduce",
    )
    assert isinstance(desk.ask(desk.signal("out", SELL, "40")), Approved)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"quantity": Decimal(0)}, "quantity 0 is not above 0"),
        ({"quantity": Decimal(-1)}, "quantity -1 is not above 0"),
        ({"quantity": Decimal("NaN")}, "quantity NaN is not above 0"),
        ({"quantity": Decimal("sNaN")}, "quantity sNaN is not above 0"),
        ({"quantity": Decimal("Infinity")}, "quantity Infinity is not above 0"),
        ({"quantity": Decimal("1E+999999")}, "quantity 1E+999999 is not above 0 and at most 1000000000000"),
        ({"quantity": Decimal("1E-10")}, "quantity 1E-10 has more than 9 decimals"),
        ({"reference_price": Decimal("sNaN")}, "must be finite numbers"),
        ({"order_type": OrderType.LIMIT}, "a limit order needs a limit_price"),
        ({"order_type": OrderType.STOP}, "a stop order needs a stop_price"),
        ({"order_type": OrderType.LIMIT, "limit_price": Decimal(0)}, "limit_price 0 is not above 0"),
        ({"order_type": OrderType.STOP, "stop_price": Decimal("NaN")}, "stop_price NaN is not above 0"),
        ({"valid_until_ns": 0}, "past its valid-until"),
        ({"valid_until_ns": 2**63 - 1}, "valid for more than an hour"),
    ],
)
def test_a_malformed_signal_is_refused(changed: dict[str, Any], said: str) -> None:
    """The refusal names the field, and nothing is reserved."""
    desk = _desk()
    found, reason = _refused(desk.ask(msgspec.structs.replace(desk.signal("s", BUY, "1"), **changed)))
    assert found is Check.REQUEST
    assert said in reason
    assert not len(desk.core.state.reservations)


def test_a_position_that_has_come_back_since_counts_at_the_order() -> None:
    """A signal was approved on a ledger that lacked reports; they came before its order did. What reduces goes."""
    desk = _desk(max_order_quantity=100, max_position_quantity=100)
    signals = [desk.signal("more", BUY, "3"), desk.signal("less", SELL, "3")]
    assert all(isinstance(desk.ask(signal), Approved) for signal in signals)
    desk.buy("IBM", "98", "100")
    said = "position-quantity: IBM would be 101 with working orders, limit is 100"
    assert _refused(desk.confirm(signals[0])) == (Check.POSITION_QUANTITY, said)
    assert isinstance(desk.confirm(signals[1]), Approved)
