"""A day of a real tape through the exchange: what a client did can be recounted from fills and quotes alone."""

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from tradingmesh.adapters.tape import open_tape
from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.orders import NewOrder, Status, TradeUpdate
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.core.market import Quote, Tick
from tradingmesh.core.money import of_e4
from tradingmesh.core.signal import OrderType, Side, TimeInForce

SHARED = Path(__file__).parents[3] / "shared" / "data"
EVENTS = 60_000
EVERY = 97
CASH = Decimal(10_000_000)
SHAPES = (
    (OrderType.MARKET, TimeInForce.DAY),
    (OrderType.MARKET, TimeInForce.IOC),
    (OrderType.MARKET, TimeInForce.FOK),
    (OrderType.LIMIT, TimeInForce.IOC),
    (OrderType.LIMIT, TimeInForce.DAY),
)


@pytest.fixture(scope="module")
def events() -> list[Tick]:
    """The first part of IBM's day."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared tape is not there: {SHARED}")
    return list(islice(open_tape(str(SHARED), ["IBM"]), EVENTS))


class Client:
    """Sends an order of changing shape and size every so often, and keeps what it hears."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.heard: list[tuple[Quote, TradeUpdate]] = []
        self.refused = 0
        self._shapes: Iterator[int] = iter(range(10**6))

    def act(self, quote: Quote) -> None:
        number = next(self._shapes)
        type_, tif = SHAPES[number % len(SHAPES)]
        position = self.exchange.account.quantity("IBM")
        side = Side.SELL if position > 0 else Side.BUY
        touch = of_e4(quote.ask_e4 if side is Side.BUY else quote.bid_e4)
        wanted = NewOrder(
            symbol="IBM",
            side=side,
            type=type_,
            time_in_force=tif,
            quantity=abs(position) or Decimal(100 * (1 + number % 9)),
            limit_price=touch.quantize(Decimal("0.01")) if type_ is OrderType.LIMIT else None,
        )
        try:
            self.hear(quote, list(self.exchange.place(wanted)[1]))
        except RefusalError:
            self.refused += 1

    def hear(self, quote: Quote, updates: list[TradeUpdate]) -> None:
        self.heard += [(quote, update) for update in updates]


def test_a_day_can_be_recounted(events: list[Tick]) -> None:
    """Every fill at its quote's price and within its size; cash, position and orders follow from the fills."""
    exchange = Exchange(["IBM"], Account(CASH), "tape", events[0].timestamp_ns)
    client = Client(exchange)
    quote: Quote | None = None
    for number, event in enumerate(events):
        if isinstance(event, Quote):
            quote = event
        updates = list(exchange.on_market_event(event))
        if quote is not None:
            client.hear(quote, updates)
            if number % EVERY == 0:
                client.act(quote)
    taken: dict[tuple[int, Side], Decimal] = defaultdict(Decimal)
    cash, position = CASH, Decimal(0)
    for against, update in client.heard:
        fill = update.execution
        if fill is None:
            continue
        buying = fill.side is Side.BUY
        assert fill.price == of_e4(against.ask_e4 if buying else against.bid_e4)
        taken[id(against), fill.side] += fill.quantity
        assert taken[id(against), fill.side] <= (against.ask_size if buying else against.bid_size)
        cash -= fill.side.sign * fill.quantity * fill.price
        position += fill.side.sign * fill.quantity
        assert update.position_quantity == position
    assert (exchange.account.cash, exchange.account.quantity("IBM")) == (cash, position)
    ends = [order.status for order in exchange.orders.newest_first()]
    assert {Status.FILLED, Status.CANCELED} <= set(ends)
    assert len(exchange.executions) > len(ends) / 2
    assert len(ends) + client.refused == len(range(0, EVENTS, EVERY))
