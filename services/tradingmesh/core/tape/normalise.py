"""Alpaca's market data messages (decoded from msgpack) to the mesh's own, exactly or not at all.

Source: Alpaca's real-time stock data documentation: `T` is the kind (t, q, b), `S` the symbol, `t` the time; prices
are JSON numbers, which msgpack carries as doubles. A double times 10,000 that is not within 1/10,000 of a whole number
was not a price of four decimals, and is refused.
"""

from collections.abc import Callable
from typing import Any, Protocol

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.core.money import SIZE_MAX

_E4_MAX = 10**14
_TOLERANCE = 1e-4


class Timestamp(Protocol):
    """msgpack's timestamp: whole seconds and the nanoseconds beyond them."""

    seconds: int
    nanoseconds: int


def price_e4(value: float, *, field: str) -> int:
    """The price x 10,000. Raises `InputError` naming `field` for what is no price of at most four decimals."""
    try:
        scaled = value * 10_000
        whole = round(scaled)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{field}: {value!r} is not a price") from None
    if not 0 <= whole <= _E4_MAX or abs(scaled - whole) > _TOLERANCE:
        raise InputError(f"{field}: {value!r} is not a price of at most four decimals")
    return whole


def _size(value: float, *, field: str) -> int:
    """A whole number of shares; part of a share (a fractional trade) is not what a size can carry."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{field}: {value!r} is not a size") from None
    if whole != value or not 0 <= whole <= SIZE_MAX:
        raise InputError(f"{field}: {value!r} is not a whole number of shares up to {SIZE_MAX}")
    return whole


def _ns(value: Timestamp) -> int:
    try:
        return value.seconds * 1_000_000_000 + value.nanoseconds
    except AttributeError:
        raise InputError(f"t: {value!r} is not a timestamp") from None


def trade(message: dict[str, Any]) -> Trade:
    """The trade in a `t` message. Raises `InputError`."""
    return Trade(message["S"], price_e4(message["p"], field="p"), _size(message["s"], field="s"), _ns(message["t"]))


def quote(message: dict[str, Any]) -> Quote:
    """The quote in a `q` message. Raises `InputError`."""
    return Quote(
        message["S"],
        price_e4(message["bp"], field="bp"),
        price_e4(message["ap"], field="ap"),
        _size(message["bs"], field="bs"),
        _size(message["as"], field="as"),
        _ns(message["t"]),
    )


def bar(message: dict[str, Any]) -> Bar:
    """The bar in a `b` message. Raises `InputError`."""
    return Bar(
        message["S"],
        price_e4(message["o"], field="o"),
        price_e4(message["h"], field="h"),
        price_e4(message["l"], field="l"),
        price_e4(message["c"], field="c"),
        _size(message["v"], field="v"),
        _ns(message["t"]),
    )


_BY_KIND: dict[str, Callable[[dict[str, Any]], MarketEvent]] = {"t": trade, "q": quote, "b": bar}


def market_event(message: dict[str, Any]) -> MarketEvent:
    """The event in a message. Raises `InputError` naming the symbol and the field that is wrong."""
    try:
        return _BY_KIND[message["T"]](message)
    except KeyError as error:
        raise InputError(f"market data message of {message.get('S')!r} lacks {error}") from None
    except InputError as error:
        raise InputError(f"market data message of {message.get('S')!r}: {error}") from None
