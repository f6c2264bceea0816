"""The in-process replay against a plain slow reference: the same refusals, fills, positions, cash and profit."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.contract import TradingSystemSpec
from tradingmesh.core.checks import Approved, ApprovedSignal, Check
from tradingmesh.core.fills import Fill, OrderClosed
from tradingmesh.core.market import Quote, Tick, Trade
from tradingmesh.core.replay.fills import SimulatedFills
from tradingmesh.core.replay.run import ReplayResult, replay
from tradingmesh.core.signal import OrderType, Side, Signal
from tradingmesh.core.signals.roster import Running
from tradingmesh.core.strategy import Strategy, Wish
from tradingmesh.core.tape.generator import TapeSettings, generate
from tradingmesh.strategies.ema_crossover import EmaCrossover

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "equity" / "usa" / "tick" / "ibm"
SECOND_NS = 1_000_000_000
FAST, SLOW, QUANTITY = 5, 20, 100
CASH = Decimal(1_000_000)
PER_SHARE = Decimal("0.005")


def spec(**limits: Any) -> TradingSystemSpec:
    generous = {
        "maxOrderQuantity": 1000,
        "maxOrderNotional": "1000000",
        "maxPositionQuantity": 2000,
        "maxPositionNotional": "1000000",
        "maxGrossNotional": "5000000",
        "maxDailyLoss": "900000",
        "maxOpenOrders": 20,
        "maxOrdersPerMinute": 6,
        "priceCollarPercent": "10",
        "maxQuoteAge": "5s",
        "duplicateWindow": "20s",
    }
    broker = {"commissionPerShare": str(PER_SHARE)}
    return TradingSystemSpec.model_validate(
        {"symbols": ["IBM", "BAC"], "broker": broker, "riskLimits": generous | limits}
    )


def played(tape: Iterable[Tick], system: TradingSystemSpec, strategy: Strategy | None = None) -> ReplayResult:
    strategy = strategy or EmaCrossover(fast=FAST, slow=SLOW, quantity=QUANTITY)
    return replay(system, [Running("cross", frozenset({"IBM", "BAC"}), strategy)], tape)


class Reference:
    """The same run, written down as plainly as possible: floats for the averages, fractions for the money.

    It knows the two checks that these runs can meet: no equal order within 20 seconds, and six orders a minute.
    """

    def __init__(self) -> None:
        self.samples: dict[str, list[float]] = {}
        self.averages: dict[str, tuple[float, float]] = {}
        self.long: dict[str, bool] = {}
        self.pause: dict[str, int] = {}
        self.quotes: dict[str, tuple[int, int]] = {}
        self.with_quotes: set[str] = set()
        self.orders: list[tuple[int, str, str]] = []
        self.refused: Counter[Check] = Counter()
        self.cash, self.realised = Fraction(CASH), Fraction(0)
        self.held: dict[str, tuple[int, Fraction]] = {}

    def play(self, tape: Iterable[Tick]) -> "Reference":
        for tick in tape:
            if isinstance(tick, Quote):
                self.with_quotes.add(tick.symbol)
                self.quotes[tick.symbol] = (tick.bid_e4, tick.ask_e4)
                continue
            if tick.symbol not in self.with_quotes:
                self.quotes[tick.symbol] = (tick.price_e4, tick.price_e4)
            self.decide(tick)
        return self

    def decide(self, trade: Trade) -> None:
        symbol, price = trade.symbol, float(trade.price_e4)
        samples = self.samples.setdefault(symbol, [])
        fast, slow = self.averages.get(symbol, (price, price))
        if samples:
            fast, slow = fast + 2 / (FAST + 1) * (price - fast), slow + 2 / (SLOW + 1) * (price - slow)
        samples.append(price)
        self.averages[symbol] = fast, slow
        long = self.long.get(symbol, False)
        if len(samples) < SLOW or not (fast < slow if long else fast > slow):
            return
        if self.pause.get(symbol, 0):
            self.pause[symbol] -= 1
        elif self.passes(trade.timestamp_ns, symbol, "sell" if long else "buy"):
            self.fill(symbol, -QUANTITY if long else QUANTITY)
            self.long[symbol] = not long
        else:
            self.pause[symbol] = SLOW

    def passes(self, now_ns: int, symbol: str, side: str) -> bool:
        if any(now_ns - at < 20 * SECOND_NS for at, *order in self.orders if order == [symbol, side]):
            self.refused[Check.DUPLICATE] += 1
            return False
        if sum(now_ns - at < 60 * SECOND_NS for at, _, _ in self.orders) >= 6:
            self.refused[Check.ORDER_RATE] += 1
            return False
        self.orders.append((now_ns, symbol, side))
        return True

    def fill(self, symbol: str, quantity: int) -> None:
        bid, ask = self.quotes[symbol]
        price = Fraction(ask if quantity > 0 else bid, 10_000)
        commission = abs(quantity) * Fraction(PER_SHARE)
        held, cost = self.held.get(symbol, (0, Fraction(0)))
        self.cash -= quantity * price + commission
        self.realised -= commission
        if held:  # the strategy sells all it has
            self.realised += held * price - cost
            self.held[symbol] = (0, Fraction(0))
        else:
            self.held[symbol] = (quantity, quantity * price)


def assert_same(result: ReplayResult, reference: Reference) -> None:
    assert len(result.fills) == result.approved == len(reference.orders) > 20
    assert result.refused == dict(reference.refused)
    assert result.signals == result.approved + sum(result.refused.values())
    assert Fraction(result.cash) == reference.cash
    assert Fraction(result.realised) == reference.realised
    held = {p.symbol: (int(p.quantity), Fraction(p.cost)) for p in result.positions.values()}
    assert held == reference.held


def generated() -> list[Tick]:
    return list(generate(TapeSettings(("IBM", "BAC"), 11, 600_000, 20)))


def test_quotes_and_trades_equal_the_reference() -> None:
    """Over a generated tape of two symbols, buys at the ask and sells at the bid, with commission."""
    tape = generated()
    result, reference = played(tape, spec()), Reference().play(tape)
    assert_same(result, reference)
    assert set(result.refused) == {Check.ORDER_RATE, Check.DUPLICATE}
    assert result.trades + result.quotes == len(tape)


def test_trades_alone_equal_the_reference() -> None:
    """On a tape without quotes each trade stands for the quote."""
    tape = [tick for tick in generated() if isinstance(tick, Trade)]
    result = played(tape, spec())
    assert_same(result, Reference().play(tape))
    assert result.quotes == 0


def test_a_real_day_equals_the_reference() -> None:
    """The IBM trades of two real days, where they are at hand."""
    if not REAL.exists():
        pytest.skip(f"the shared tape is not at {REAL}")
    from tradingmesh.adapters.tape import open_tape  # noqa: PLC0415 - needs numpy only here

    days = [open_tape(str(REAL / f"{day}_trade.zip"), ["IBM"], all_hours=True) for day in ("20131007", "20131008")]
    result = played(chain(*days), spec())
    assert_same(result, Reference().play(chain(*days)))
    assert result.trades == 57_674


def test_the_same_tape_gives_the_same_result() -> None:
    """Twice the same, to the last id."""
    assert played(generated(), spec()) == played(generated(), spec())


class Once(Strategy):
    """One wish at the first trade of each symbol."""

    def __init__(self, **order: Any) -> None:
        self.order = order
        self.seen: set[str] = set()

    def on_trade(self, trade: Trade) -> Sequence[Wish]:
        if trade.symbol in self.seen:
            return ()
        self.seen.add(trade.symbol)
        return (Wish(trade.symbol, Side.BUY, Decimal(100), trade.price_e4, **self.order),)


def ticks(ask_e4: int = 1_000_100) -> list[Tick]:
    return [Quote("IBM", 1_000_000, ask_e4, 5, 5, SECOND_NS), Trade("IBM", 1_000_000, 5, SECOND_NS)]


@pytest.mark.parametrize(
    ("limits", "check"),
    [
        ({"maxOrderQuantity": 99}, Check.ORDER_QUANTITY),
        ({"maxOrderNotional": "10000.99"}, Check.ORDER_NOTIONAL),
        ({"maxOrderQuantity": 10, "maxPositionQuantity": 99}, Check.ORDER_QUANTITY),
        ({"maxPositionQuantity": None}, Check.POSITION_QUANTITY),
        ({"restrictedSymbols": ["IBM"]}, Check.RESTRICTED_SYMBOL),
        ({"maxDailyLoss": None}, Check.DAILY_LOSS),
    ],
)
def test_the_risk_limits_hold(limits: dict[str, Any], check: Check) -> None:
    """What a limit forbids is not filled, and is counted under its check."""
    result = played(ticks(), spec(**limits), Once())
    assert (result.refused, result.fills, result.cash) == ({check: 1}, [], CASH)


def test_a_stopped_strategy_is_told() -> None:
    """A strategy that raises ends its trading, not the replay."""

    class Faulty(Once):
        def on_approved(self, wish: Wish) -> None:
            raise ValueError(wish.symbol)

    result = played(ticks(), spec(), Faulty())
    assert result.stopped == {"cross": "ValueError: IBM"}
    assert len(result.fills) == 1


def test_an_order_that_would_rest_ends_unfilled() -> None:
    """A limit below the ask is approved, ends unfilled, and frees its reservation: the next order passes."""
    tape: list[Tick] = [*ticks(), Quote("BAC", 140_000, 140_100, 5, 5, SECOND_NS), Trade("BAC", 140_000, 5, SECOND_NS)]
    strategy = Once(order_type=OrderType.LIMIT, limit_price=Decimal("100.00"))
    result = played(tape, spec(maxOpenOrders=1, priceCollarPercent="1000"), strategy)
    assert (result.approved, result.refused, [fill.symbol for fill in result.fills]) == (2, {}, ["BAC"])
    assert result.cash == CASH - Decimal("14.01") * 100 - PER_SHARE * 100


def approved(side: Side, **order: Any) -> ApprovedSignal:
    signal = Signal("s-1", "s", "IBM", side, Decimal(10), Decimal(100), 1, 2, **order)
    return ApprovedSignal(signal, Approved("r-s-1", 3, ()))


@pytest.mark.parametrize(
    ("side", "order", "price"),
    [
        (Side.BUY, {}, "100.01"),
        (Side.SELL, {}, "100"),
        (Side.BUY, {"order_type": OrderType.LIMIT, "limit_price": Decimal("100.01")}, "100.01"),
        (Side.BUY, {"order_type": OrderType.LIMIT, "limit_price": Decimal("100.009")}, None),
        (Side.SELL, {"order_type": OrderType.LIMIT, "limit_price": Decimal(100)}, "100"),
        (Side.SELL, {"order_type": OrderType.LIMIT, "limit_price": Decimal("100.001")}, None),
        (Side.SELL, {"order_type": OrderType.STOP, "stop_price": Decimal(99)}, None),
    ],
)
def test_fills_are_at_the_far_side_or_not_at_all(side: Side, order: dict[str, Any], price: str | None) -> None:
    """A buy pays the ask, a sell gets the bid; a limit holds to the last digit; a stop does not trade."""
    report = SimulatedFills(1).execute(approved(side, **order), Quote("IBM", 1_000_000, 1_000_100, 5, 5, 77))
    assert isinstance(report.body, Fill | OrderClosed)
    assert (report.symbol_sequence, report.reservation_id, report.body.timestamp_ns) == (1, "r-s-1", 77)
    if price is None:
        assert isinstance(report.body, OrderClosed)
        assert report.body.filled_quantity == 0
    else:
        assert isinstance(report.body, Fill)
        assert report.body.price == Decimal(price)
        assert report.body.quantity == report.body.cumulative_quantity == Decimal(10)
