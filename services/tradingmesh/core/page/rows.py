"""The rows of the live page. Each table has room for so many, and a text is cut where it is longer than a line.

What comes from the wire is shown, not believed: an amount that is no number, or absurdly long, is a question mark.
"""

from decimal import Decimal

import msgspec

from tradingmesh.core.money import plain

ORDERS_MAX = 50
FILLS_MAX = 50
FEED_MAX = 100
SYMBOLS_MAX = 100
COMPONENTS_MAX = 128
STAGES_MAX = 32
TEXT_MAX = 240
UNKNOWN = "?"
_DIGITS_MAX = 30
_NS_PER_MS = 1_000_000


class OrderRow(msgspec.Struct, frozen=True):
    """One order, as events told of it. `quantity` is None until the broker's taking it is heard of."""

    client_order_id: str
    symbol: str
    side: str
    quantity: Decimal | None
    filled: Decimal
    ended: str
    reason: str
    placed_ms: int
    trace_id: str


class FillRow(msgspec.Struct, frozen=True):
    """One fill that is booked. Its time is when it was booked, as the others' are: a tape's time is of another day."""

    fill_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: str
    price: str
    commission: str
    slippage: str
    booked_ms: int
    trace_id: str


class FeedRow(msgspec.Struct, frozen=True):
    """What happened, in a sentence. Events alike (`key`) share a row, the newest's words and how many they were."""

    key: tuple[str, ...]
    at_ms: int
    component: str
    kind: str
    level: str
    text: str
    trace_id: str
    times: int = 1


class SymbolRow(msgspec.Struct, frozen=True):
    """The market in one symbol: the last trade's price, and when something of the symbol was last published."""

    symbol: str
    price: str
    heard_ms: int


def milliseconds(timestamp_ns: int) -> int:
    """Milliseconds, which a browser's numbers hold exactly."""
    return timestamp_ns // _NS_PER_MS


def amount(value: Decimal | None) -> str:
    """The amount as text, exact; nothing for None, a question mark for what is no amount."""
    if value is None:
        return ""
    if not value.is_finite():
        return UNKNOWN
    if not value:
        return "0"
    is_short = abs(value.adjusted()) <= _DIGITS_MAX and len(value.as_tuple().digits) <= 2 * _DIGITS_MAX
    return plain(value) if is_short else UNKNOWN


def short(text: str) -> str:
    """The text, or its beginning."""
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"
