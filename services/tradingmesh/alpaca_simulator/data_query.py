"""What a historical endpoint is asked for, and the page that answers it."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tradingmesh.alpaca_simulator.timeframes import new_york_day
from tradingmesh.alpaca_simulator.times import midnight_ns, parse_time
from tradingmesh.core.errors import InputError

LIMIT = 1_000
LIMIT_MAX = 10_000
SYMBOLS_MAX = 1_000
_FEEDS = ("iex", "sip", "delayed_sip", "otc", "boats", "overnight")
_SORTS = ("asc", "desc")

Row = tuple[int, Any]
"""An item's key, which grows with time and is its own within the symbol, and the item."""
Rows = Callable[[str, int, int], Sequence[Row]]
"""The rows of a symbol between two times, both included, in time order."""


class Query(NamedTuple):
    """A historical question. `after` is symbol and key of the last item of the page before, if there was one."""

    symbols: Sequence[str]
    start_ns: int
    end_ns: int
    limit: int
    descending: bool
    after: tuple[str, int] | None


def parse_query(parameters: Mapping[str, str], symbols: Sequence[str], now_ns: int) -> Query:
    """The query of these parameters; without a start it begins with the day. Raises `InputError` naming the field."""
    check_common(parameters)
    start, end, token = (parameters.get(name, "") for name in ("start", "end", "page_token"))
    start_ns = parse_time(start, "start") if start else midnight_ns(new_york_day(now_ns))
    end_ns = parse_time(end, "end") if end else max(now_ns, start_ns)
    if end_ns < start_ns:
        raise InputError("end: must not be before start")
    sort = parameters.get("sort") or "asc"
    if sort not in _SORTS:
        raise InputError(f"sort: {sort!r} is neither asc nor desc")
    after = _parse_token(token) if token else None
    return Query(symbols, start_ns, end_ns, _limit(parameters), sort == "desc", after)


def check_common(parameters: Mapping[str, str]) -> None:
    """Refuses what every endpoint refuses: a feed that does not exist, another currency. Raises `InputError`."""
    if parameters.get("feed", "iex") not in _FEEDS:
        raise InputError(f"feed: {parameters['feed']!r} is none of {', '.join(_FEEDS)}")
    if parameters.get("currency", "USD") != "USD":
        raise InputError("currency: only USD is simulated")


def parse_symbols(text: str) -> list[str]:
    """The symbols of a comma-separated list, sorted. Raises `InputError` where there is none, or too many."""
    symbols = sorted({symbol.strip().upper() for symbol in text.split(",") if symbol.strip()})
    if not symbols:
        raise InputError("symbols: at least one is needed")
    if len(symbols) > SYMBOLS_MAX:
        raise InputError(f"symbols: more than {SYMBOLS_MAX:,}")
    return symbols


def answer(query: Query, rows: Rows) -> tuple[dict[str, Sequence[Row]], str | None]:
    """The rows by symbol, and the token of the next page where there is one. Sorted by symbol, then by time."""
    found: dict[str, Sequence[Row]] = {}
    left = query.limit
    last: tuple[str, int] | None = None
    for symbol in query.symbols:
        if query.after is not None and symbol < query.after[0]:
            continue
        wanted = _wanted(query, symbol, rows(symbol, query.start_ns, query.end_ns))
        if wanted and left == 0 and last is not None:
            return found, _token(*last)
        if wanted:
            found[symbol] = wanted[:left]
            last = symbol, found[symbol][-1][0]
        if len(wanted) > left and last is not None:
            return found, _token(*last)
        left -= len(wanted)
    return found, None


def _wanted(query: Query, symbol: str, rows: Sequence[Row]) -> Sequence[Row]:
    """The symbol's rows in the order asked for, behind the page before."""
    if query.descending:
        rows = rows[::-1]
    if query.after is None or symbol != query.after[0]:
        return rows
    key = query.after[1]
    return [row for row in rows if (row[0] < key if query.descending else row[0] > key)]


def _limit(parameters: Mapping[str, str]) -> int:
    text = parameters.get("limit") or str(LIMIT)
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= LIMIT_MAX):
        raise InputError(f"limit: {text!r} is not between 1 and {LIMIT_MAX:,}")
    return int(text)


def _token(symbol: str, key: int) -> str:
    return base64.urlsafe_b64encode(f"{symbol}|{key}".encode()).decode()


def _parse_token(token: str) -> tuple[str, int]:
    try:
        symbol, _, key = base64.b64decode(token, altchars=b"-_", validate=True).decode().rpartition("|")
        return symbol, int(key)
    except (binascii.Error, ValueError):
        raise InputError("page_token: is not one that was given") from None
