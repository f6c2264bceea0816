"""Trades, quotes and bars in their fixed layout (the seed's): integers only, decoded in place.

    trade  symbol[8] price_e4 i64 size u32 timestamp_ns i64                              28 bytes
    quote  symbol[8] bid_e4 i64 ask_e4 i64 bid_size u32 ask_size u32 timestamp_ns i64    40 bytes
    bar    symbol[8] open, high, low, close i64 volume u64 timestamp_ns i64              56 bytes

A symbol or a number that does not fit raises where it enters; nothing is ever cut.
"""

import struct
from collections.abc import Callable, Iterator

from tradingmesh.contract import SYMBOL_MAX_BYTES
from tradingmesh.core.errors import InputError, WireError
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.wire.header import Kind

TRADE = struct.Struct("<8sqIq")
QUOTE = struct.Struct("<8sqqIIq")
BAR = struct.Struct("<8sqqqqQq")
_SYMBOLS_MAX = 20_000

_encoded: dict[str, bytes] = {}
_decoded: dict[bytes, str] = {}


def encode_symbol(symbol: str) -> bytes:
    """Eight bytes, padded with zeros. Raises `InputError` for what does not fit."""
    raw = symbol.encode()
    if not raw or len(raw) > SYMBOL_MAX_BYTES or b"\0" in raw:
        raise InputError(f"symbol {symbol!r} does not fit {SYMBOL_MAX_BYTES} bytes")
    if len(_encoded) >= _SYMBOLS_MAX:
        _encoded.clear()
    padded = _encoded[symbol] = raw.ljust(SYMBOL_MAX_BYTES, b"\0")
    return padded


def decode_symbol(raw: bytes) -> str:
    """The symbol in eight padded bytes. Raises `WireError` for what is none."""
    text = raw.rstrip(b"\0")
    if not text or b"\0" in text or not text.isascii():
        raise WireError(f"{raw!r} is not a symbol")
    if len(_decoded) >= _SYMBOLS_MAX:
        _decoded.clear()
    symbol = _decoded[raw] = text.decode()
    return symbol


def topic_of(symbol: str) -> bytes:
    """The topic of a symbol. It ends in a zero byte, so that a subscriber to A does not hear AAPL."""
    return symbol.encode() + b"\0"


def encode_trade(trade: Trade) -> bytes:
    """28 bytes. Raises `InputError` naming what does not fit."""
    symbol = _encoded.get(trade.symbol) or encode_symbol(trade.symbol)
    try:
        return TRADE.pack(symbol, trade.price_e4, trade.size, trade.timestamp_ns)
    except struct.error as error:
        raise InputError(f"trade of {trade.symbol} does not fit: {error}: {trade}") from None


def encode_quote(quote: Quote) -> bytes:
    """40 bytes. Raises `InputError` naming what does not fit."""
    symbol = _encoded.get(quote.symbol) or encode_symbol(quote.symbol)
    try:
        return QUOTE.pack(symbol, quote.bid_e4, quote.ask_e4, quote.bid_size, quote.ask_size, quote.timestamp_ns)
    except struct.error as error:
        raise InputError(f"quote of {quote.symbol} does not fit: {error}: {quote}") from None


def encode_bar(bar: Bar) -> bytes:
    """56 bytes. Raises `InputError` naming what does not fit."""
    symbol = _encoded.get(bar.symbol) or encode_symbol(bar.symbol)
    try:
        return BAR.pack(symbol, bar.open_e4, bar.high_e4, bar.low_e4, bar.close_e4, bar.volume, bar.timestamp_ns)
    except struct.error as error:
        raise InputError(f"bar of {bar.symbol} does not fit: {error}: {bar}") from None


def decode_trade(payload: bytes) -> Trade:
    """The trade in 28 bytes. Raises `WireError` for another size, no symbol or a negative price."""
    try:
        symbol, price_e4, size, timestamp_ns = TRADE.unpack(payload)
    except struct.error:
        raise WireError(f"a trade has {TRADE.size} bytes, this payload has {len(payload)}") from None
    if price_e4 < 0:
        raise WireError(f"a trade at {price_e4}")
    return Trade(_decoded.get(symbol) or decode_symbol(symbol), price_e4, size, timestamp_ns)


def decode_quote(payload: bytes) -> Quote:
    """The quote in 40 bytes. Raises `WireError` for another size, no symbol or a negative price."""
    try:
        symbol, bid_e4, ask_e4, bid_size, ask_size, timestamp_ns = QUOTE.unpack(payload)
    except struct.error:
        raise WireError(f"a quote has {QUOTE.size} bytes, this payload has {len(payload)}") from None
    if bid_e4 < 0 or ask_e4 < 0:
        raise WireError(f"a quote at {bid_e4}/{ask_e4}")
    return Quote(_decoded.get(symbol) or decode_symbol(symbol), bid_e4, ask_e4, bid_size, ask_size, timestamp_ns)


def decode_bar(payload: bytes) -> Bar:
    """The bar in 56 bytes. Raises `WireError` for another size, no symbol or a negative price."""
    try:
        symbol, *fields = BAR.unpack(payload)
    except struct.error:
        raise WireError(f"a bar has {BAR.size} bytes, this payload has {len(payload)}") from None
    if min(fields[:4]) < 0:
        raise WireError(f"a bar at {fields[:4]}")
    return Bar(_decoded.get(symbol) or decode_symbol(symbol), *fields)


def encode(event: MarketEvent) -> tuple[Kind, bytes]:
    """Kind and payload of a market event."""
    if isinstance(event, Quote):
        return Kind.QUOTE, encode_quote(event)
    if isinstance(event, Trade):
        return Kind.TRADE, encode_trade(event)
    return Kind.BAR, encode_bar(event)


DECODERS: dict[int, Callable[[bytes], MarketEvent]] = {
    int(Kind.TRADE): decode_trade,
    int(Kind.QUOTE): decode_quote,
    int(Kind.BAR): decode_bar,
}
RECORD_BYTES = {int(Kind.TRADE): TRADE.size, int(Kind.QUOTE): QUOTE.size, int(Kind.BAR): BAR.size}


def decode_all(kind: int, count: int, payload: bytes) -> Iterator[MarketEvent]:
    """The `count` events of a batch payload. Raises `WireError` where kind, count and size do not agree."""
    size = RECORD_BYTES.get(kind)
    if size is None or len(payload) != size * count:
        raise WireError(f"{len(payload)} bytes are not {count} records of kind {kind}")
    decode = DECODERS[kind]
    return (decode(payload[start : start + size]) for start in range(0, len(payload), size))
