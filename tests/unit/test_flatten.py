"""Flatten: closing orders within the limits of one order, one at a time a symbol, until all is flat."""

from decimal import Decimal

import pytest

from tradingmesh.contract import CircuitBreakerSpec, TradingState, TradingSystemSpec
from tradingmesh.core.checks import Approved, ApprovedSignal, Check, Refused
from tradingmesh.core.errors import InputError
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.records import FlattenBegan, FlattenEnded, SwitchSet
from tradingmesh.core.signal import OrderType, Side
from tradingmesh.testing.risk_desk import RiskDesk, limits

BUY, SELL = Side.BUY, Side.SELL


@pytest.fixture
def desk() -> RiskDesk:
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    desk.quote("BAC", "49.99", "50.01")
    return desk


def _given(desk: RiskDesk) -> list[ApprovedSignal]:
    """The closing orders that are due now; each is confirmed, as the execution engine would."""
    given = desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)
    assert all(isinstance(desk.confirm(approved.signal), Approved) for approved in given)
    return given


def _figures(given: list[ApprovedSignal]) -> list[tuple[str, str, Decimal]]:
    return [(a.signal.symbol, a.signal.side.value, a.signal.quantity) for a in given]


def _fill(desk: RiskDesk, given: list[ApprovedSignal]) -> None:
    for approved in given:
        desk.apply(desk.filled(approved.signal, str(approved.signal.quantity), "100"))


def test_every_position_is_closed_by_a_market_order(desk: RiskDesk) -> None:
    """Long is sold, short is bought back; then it is over, and trading stays reduced until somebody resumes."""
    desk.buy("IBM", "100", "100")
    desk.sell("BAC", "30", "50")
    desk.core.flatten()
    given = _given(desk)
    assert _figures(given) == [("BAC", "buy", Decimal(30)), ("IBM", "sell", Decimal(100))]
    assert {(a.signal.order_type, a.signal.strategy) for a in given} == {(OrderType.MARKET, "flatten")}
    assert _given(desk) == []
    _fill(desk, given)
    assert desk.core.state.flatten.active
    assert _given(desk) == []
    flatten = desk.core.state.flatten
    assert (flatten.active, flatten.outcome, desk.core.state.trading) == (False, "all is flat", TradingState.REDUCING)
    kinds = [type(r) for r in desk.keep_records() if isinstance(r, SwitchSet | FlattenBegan | FlattenEnded)]
    assert kinds == [SwitchSet, FlattenBegan, FlattenEnded]


def test_one_symbol_alone(desk: RiskDesk) -> None:
    """The other position stays."""
    desk.buy("IBM", "10", "100")
    desk.buy("BAC", "10", "50")
    desk.core.flatten("BAC")
    given = _given(desk)
    assert _figures(given) == [("BAC", "sell", Decimal(10))]
    _fill(desk, given)
    _given(desk)
    assert not desk.core.state.flatten.active
    assert desk.core.state.ledger.position("IBM").quantity == 10


def test_a_symbol_without_a_position_is_told(desk: RiskDesk) -> None:
    """A typing error must not look like a job done; nothing changes."""
    with pytest.raises(InputError, match="neither a position in 'IMB' nor a working order"):
        desk.core.flatten("IMB")
    assert desk.core.state.switch is TradingState.ACTIVE


@pytest.mark.parametrize(
    ("changed", "quantities"),
    [
        ({"max_order_quantity": Decimal(40)}, ["40", "40", "20.5"]),
        ({"max_order_notional": Decimal(6_000)}, ["60", "40.5"]),
        ({"max_order_notional": Decimal("4999.5"), "max_order_quantity": Decimal(70)}, ["50", "50", "0.5"]),
        ({"max_order_notional": Decimal(50)}, ["0.50005"] * 3),
    ],
)
def test_a_large_position_is_closed_in_parts(
    desk: RiskDesk, changed: dict[str, Decimal], quantities: list[str]
) -> None:
    """Within the limits of one order, one part after the other, and the fraction of a share with the last one."""
    desk.buy("IBM", "100.5", "100")
    desk.core.set_limits(limits(**changed), CircuitBreakerSpec(), TradingState.ACTIVE)
    desk.core.flatten()
    for quantity in quantities:
        given = _given(desk)
        assert _figures(given)[0][2] == pytest.approx(Decimal(quantity), abs=Decimal("0.001"))
        assert given[0].signal.quantity * Decimal("99.99") <= changed.get("max_order_notional", Decimal(250_000))
        _fill(desk, given)


def test_none_is_given_while_an_order_of_the_symbol_works(desk: RiskDesk) -> None:
    """Its cancel is under way; what it fills meanwhile is not closed twice."""
    desk.buy("IBM", "100", "100")
    working = desk.signal("w", SELL, "60", limit="101")
    desk.ask(working)
    desk.confirm(working)
    desk.core.flatten()
    assert _given(desk) == []
    assert desk.core.state.flatten.held_up == {"IBM": "waits for the order of r-w to end"}
    desk.apply(desk.filled(working, "25", "101"))
    assert _given(desk) == []
    desk.apply(desk.closed(working))
    assert _figures(_given(desk)) == [("IBM", "sell", Decimal(75))]


def test_one_that_ends_unfilled_is_given_again(desk: RiskDesk) -> None:
    """A second later, not at once: a broker that refuses is not asked a thousand times. Each has an id of its own."""
    desk.buy("IBM", "100", "100")
    desk.core.flatten()
    (first,) = _given(desk)
    desk.apply(desk.closed(first.signal, "rejected"))
    assert _given(desk) == []
    desk.wait(1)
    (second,) = _given(desk)
    assert (first.signal.signal_id, second.signal.signal_id) == ("flatten-1-1", "flatten-1-2")


def test_one_that_nobody_took_lapses_and_is_given_again(desk: RiskDesk) -> None:
    """The execution engine was away: the reservation expires with the order."""
    desk.buy("IBM", "100", "100")
    desk.core.flatten()
    assert len(desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)) == 1
    desk.wait(4)
    assert _given(desk) == []
    desk.wait(1)
    desk.quote("IBM", "99.99", "100.01")
    assert _figures(_given(desk)) == [("IBM", "sell", Decimal(100))]


def test_what_refuses_a_closing_order_is_told(desk: RiskDesk) -> None:
    """Every check holds for it; it goes on by itself once it passes."""
    desk.buy("IBM", "100", "100")
    desk.wait(6)
    desk.core.flatten()
    assert _given(desk) == []
    assert "quote-age: the quote of IBM is 6000 ms old" in desk.core.state.flatten.held_up["IBM"]
    desk.wait(1)
    desk.quote("IBM", "99.99", "100.01")
    assert len(_given(desk)) == 1
    assert desk.core.state.flatten.held_up == {"IBM": "waits for the order of r-flatten-1-1 to end"}


def test_an_open_breaker_lets_closing_orders_through_and_no_others(desk: RiskDesk) -> None:
    """To get out is what one wants then; a strategy's order that reduces is refused all the same."""
    desk.buy("IBM", "100", "100")
    desk.quote("IBM", "40", "40")
    desk.wait(0)
    assert desk.core.state.breaker.state is BreakerState.OPEN
    desk.core.flatten()
    decision = desk.ask(desk.signal("out", SELL, "1"))
    assert isinstance(decision, Refused)
    assert decision.check is Check.CIRCUIT_BREAKER
    assert _figures(_given(desk)) == [("IBM", "sell", Decimal(100))]


def test_no_other_may_ask_in_its_name(desk: RiskDesk) -> None:
    """Neither for a reservation, nor for an order without one; the manifest has no strategy of that name."""
    desk.buy("IBM", "100", "100")
    desk.core.flatten()
    forged = desk.signal("forged", SELL, "10")
    forged = type(forged)(**{**{f: getattr(forged, f) for f in forged.__struct_fields__}, "strategy": "flatten"})
    asked, confirmed = desk.ask(forged), desk.confirm(forged)
    assert isinstance(asked, Refused)
    assert isinstance(confirmed, Refused)
    assert asked.reason == "request: strategy flatten is the risk manager's own"
    assert confirmed.check is Check.RESERVATION
    strategy = {"name": "flatten", "uses": "ema-crossover", "symbols": ["IBM"]}
    with pytest.raises(ValueError, match="a strategy may not be named flatten"):
        TradingSystemSpec.model_validate({"symbols": ["IBM"], "strategies": [strategy]})


@pytest.mark.parametrize("switch", [TradingState.HALTED, TradingState.ACTIVE])
def test_halt_and_resume_end_it(desk: RiskDesk, switch: TradingState) -> None:
    """A person's newer word holds; reduce is what it has set already."""
    desk.buy("IBM", "100", "100")
    desk.core.flatten()
    desk.core.set_switch(TradingState.REDUCING)
    assert desk.core.state.flatten.active
    desk.core.set_switch(switch)
    assert _given(desk) == []
    assert desk.core.state.flatten.outcome == f"stopped: the switch was set to {switch.value}"


def test_a_manifest_that_halts_is_obeyed(desk: RiskDesk) -> None:
    """The stricter word holds: the command says so, and one under way waits."""
    desk.buy("IBM", "100", "100")
    desk.core.flatten()
    desk.core.set_limits(limits(), CircuitBreakerSpec(), TradingState.HALTED)
    assert _given(desk) == []
    assert "trading is Halted (manifest Halted" in desk.core.state.flatten.held_up["IBM"]
    with pytest.raises(InputError, match="the manifest halts trading"):
        desk.core.flatten()


def test_it_goes_on_after_a_restart(desk: RiskDesk) -> None:
    """With the order that works, no second one; and with ids that were not used before."""
    desk.buy("IBM", "100", "100")
    desk.core.flatten()
    (first,) = _given(desk)
    desk.core = desk.restarted()
    desk.quote("IBM", "99.99", "100.01")
    assert _given(desk) == []
    desk.apply(desk.filled(first.signal, "40", "100"))
    desk.apply(desk.closed(first.signal))
    (second,) = _given(desk)
    assert (second.signal.signal_id, second.signal.quantity) == ("flatten-1-2", Decimal(60))
    _fill(desk, [second])
    desk.core = desk.restarted()
    _given(desk)
    assert desk.core.state.flatten.outcome == "all is flat"


def test_a_closing_order_that_comes_after_its_flatten_is_refused_by_an_open_breaker(desk: RiskDesk) -> None:
    """Only a flatten under way opens that door."""
    desk.buy("IBM", "100", "100")
    desk.quote("IBM", "40", "40")
    desk.wait(0)
    desk.core.flatten()
    (given,) = desk.core.closing_orders(desk.now_ns, desk.monotonic_ns)
    desk.core.set_switch(TradingState.ACTIVE)
    late = desk.confirm(given.signal)
    assert isinstance(late, Refused)
    assert late.check is Check.CIRCUIT_BREAKER
