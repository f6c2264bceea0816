"""What a strategy asks for, and the words an order is described in. The values are Alpaca's own."""

from decimal import Decimal
from enum import StrEnum

import msgspec


class Side(StrEnum):
    """Which way."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How the price is decided."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long the order lives."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"


class Signal(msgspec.Struct, frozen=True):
    """A wish to trade. It is no order: only the risk manager's approval makes one of it.

    `reference_price` is the price the strategy decided on. `generated_ns` is market time, `valid_until_ns` wall time:
    past it the signal is refused rather than traded late.
    """

    signal_id: str
    strategy: str
    symbol: str
    side: Side
    quantity: Decimal
    reference_price: Decimal
    generated_ns: int
    valid_until_ns: int
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reason: str = ""
