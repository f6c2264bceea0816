"""What the market would have done with an approved signal, in a replay without a broker: filled at once, or not at all.

A buy fills at the ask and a sell at the bid of the newest quote, in full. Nothing rests: a limit that is not marketable
and a stop end unfilled, as an `ioc` order would. The Alpaca simulator is the broker that fills against displayed size.
"""

from decimal import Decimal

from tradingmesh.core.checks import ApprovedSignal
from tradingmesh.core.fills import Fill, OrderClosed, Report
from tradingmesh.core.ids import client_order_id
from tradingmesh.core.market import Quote
from tradingmesh.core.money import ZERO, of_e4
from tradingmesh.core.signal import OrderType, Side, Signal


class SimulatedFills:
    """Answers approved signals with reports, numbered per symbol as an execution engine's outbox would."""

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._sequences: dict[str, int] = {}

    def execute(self, approved: ApprovedSignal, quote: Quote) -> Report:
        """The report of the order that the signal would have become, at that quote of its symbol."""
        signal = approved.signal
        order_id = client_order_id(signal.signal_id, self._epoch)
        price = _price(signal, quote)
        body = _unfilled(order_id, signal, quote) if price is None else _filled(order_id, signal, quote, price)
        number = self._sequences[signal.symbol] = self._sequences.get(signal.symbol, 0) + 1
        return Report(self._epoch, number, approved.approval.reservation_id, body)


def _filled(order_id: str, signal: Signal, quote: Quote, price: Decimal) -> Fill:
    return Fill(
        fill_id=f"{order_id}:1",
        order_id=order_id,
        client_order_id=order_id,
        symbol=signal.symbol,
        side=signal.side,
        quantity=signal.quantity,
        price=price,
        cumulative_quantity=signal.quantity,
        timestamp_ns=quote.timestamp_ns,
        reference_price=signal.reference_price,
    )


def _unfilled(order_id: str, signal: Signal, quote: Quote) -> OrderClosed:
    return OrderClosed(
        order_id=order_id,
        client_order_id=order_id,
        symbol=signal.symbol,
        status="canceled",
        filled_quantity=ZERO,
        timestamp_ns=quote.timestamp_ns,
        reason="it would not trade at once",
    )


def _price(signal: Signal, quote: Quote) -> Decimal | None:
    far_side_e4 = quote.ask_e4 if signal.side is Side.BUY else quote.bid_e4
    if not far_side_e4 or signal.order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
        return None
    price = of_e4(far_side_e4)
    if signal.limit_price is not None and (price - signal.limit_price) * signal.side.sign > 0:
        return None
    return price
