"""What a strategy is: `on_quote`, `on_trade`, `on_bar` -> wishes. It sees market data and its own features only.

Write your own by subclassing `Strategy`, and name it in the manifest as `module:Class` or by an entry point in the
group `tradingmesh.strategies`. Parameters of the manifest are the keyword arguments of the constructor.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tradingmesh.core.market import Bar, Quote, Trade
from tradingmesh.core.signal import OrderType, Side, TimeInForce


class Wish(msgspec.Struct, frozen=True):
    """What a strategy returns: a trade it would make. The signal generator makes a `Signal` of it.

    `reference_price_e4` is the price it decided on, x 10,000.
    """

    symbol: str
    side: Side
    quantity: Decimal
    reference_price_e4: int
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""


NONE: Sequence[Wish] = ()


class Strategy:
    """Base of every strategy: does nothing on any event. Override what you need; all state is the instance's own.

    One instance serves the symbols of its manifest entry. Calls come one at a time, in the order of the tape; a
    strategy must not read a clock (every event carries its time) nor draw random numbers, so that a replay repeats it.
    """

    def on_quote(self, quote: Quote) -> Sequence[Wish]:  # noqa: ARG002
        """Told of each quote."""
        return NONE

    def on_trade(self, trade: Trade) -> Sequence[Wish]:  # noqa: ARG002
        """Told of each trade."""
        return NONE

    def on_bar(self, bar: Bar) -> Sequence[Wish]:  # noqa: ARG002
        """Told of each one-minute bar."""
        return NONE

    def on_approved(self, wish: Wish) -> None:
        """Told that a wish was approved and is on its way."""

    def on_refused(self, wish: Wish) -> None:
        """Told that a wish was refused, by the risk manager or because it could not be asked or sent in time."""
