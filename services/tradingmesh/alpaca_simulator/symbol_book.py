"""One symbol at the exchange: its last quote with what is left of the displayed sizes, its last trade."""

from decimal import Decimal

from tradingmesh.alpaca_simulator.orders import Order
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.money import ZERO, of_e4
from tradingmesh.core.signal import OrderType, Side


class SymbolBook:
    """The market in one symbol.

    A fill consumes the displayed size of its side until the next quote displays anew.
    """

    __slots__ = ("ask_left", "bid_left", "first_e4", "last_e4", "quote")

    def __init__(self) -> None:
        self.quote: Quote | None = None
        self.bid_left = ZERO
        self.ask_left = ZERO
        self.last_e4 = 0
        self.first_e4 = 0

    def on_quote(self, quote: Quote) -> None:
        """The quote displays its sizes anew."""
        self.quote = quote
        self.bid_left = Decimal(quote.bid_size)
        self.ask_left = Decimal(quote.ask_size)

    def on_trade(self, trade: Trade) -> None:
        """The last price moves."""
        self.last_e4 = trade.price_e4
        self.first_e4 = self.first_e4 or trade.price_e4

    def price(self) -> Decimal:
        """The last trade's price, else the middle of the quote, else its one side; 0 before any."""
        if self.last_e4:
            return of_e4(self.last_e4)
        quote = self.quote
        if quote is None:
            return ZERO
        if quote.bid_e4 and quote.ask_e4:
            return of_e4(quote.bid_e4 + quote.ask_e4) / 2
        return of_e4(quote.bid_e4 or quote.ask_e4)

    def touch_e4(self, side: Side) -> int:
        """The price that an order of this side meets; 0 where nothing is displayed."""
        if self.quote is None:
            return 0
        return self.quote.ask_e4 if side is Side.BUY else self.quote.bid_e4

    def executable(self, order: Order) -> tuple[Decimal, Decimal]:
        """Quantity and price at which the order trades now: the touch, up to what is displayed; (0, 0) if it does not.

        A stop is taken as triggered.
        """
        touch_e4 = self.touch_e4(order.side)
        if not touch_e4:
            return ZERO, ZERO
        buying = order.side is Side.BUY
        if order.limit_e4 and (touch_e4 > order.limit_e4 if buying else touch_e4 < order.limit_e4):
            return ZERO, ZERO
        price = of_e4(touch_e4)
        return min(order.leaves_at(price), self.ask_left if buying else self.bid_left), price

    def fills_whole(self, order: Order) -> bool:
        """Whether all that the order still wants can trade now."""
        quantity, price = self.executable(order)
        awake = order.triggered or self.reaches_stop(order)
        return awake and quantity > 0 and quantity == order.leaves_at(price)

    def consume(self, side: Side, quantity: Decimal) -> None:
        """Takes a fill from the displayed size."""
        if side is Side.BUY:
            self.ask_left -= quantity
        else:
            self.bid_left -= quantity

    def reaches_stop(self, order: Order) -> bool:
        """Whether the last trade is at the stop or past it, or the whole quote is (a buy's bid, a sell's ask)."""
        quote = self.quote
        if order.side is Side.BUY:
            return self.last_e4 >= order.stop_e4 or (quote is not None and quote.bid_e4 >= order.stop_e4)
        if self.last_e4 and self.last_e4 <= order.stop_e4:
            return True
        return quote is not None and 0 < quote.ask_e4 <= order.stop_e4


def is_stop(order_type: OrderType) -> bool:
    """Whether an order of this type sleeps until its stop price is reached."""
    return order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
