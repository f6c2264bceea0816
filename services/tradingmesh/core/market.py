"""Market data as the mesh carries it: integers only, prices x 10,000, times in nanoseconds since 1970 UTC."""

import msgspec


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One trade on the tape."""

    symbol: str
    price_e4: int
    size: int
    timestamp_ns: int


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The best bid and ask of one symbol, one update."""

    symbol: str
    bid_e4: int
    ask_e4: int
    bid_size: int
    ask_size: int
    timestamp_ns: int


class Bar(msgspec.Struct, frozen=True, gc=False):
    """What traded in one minute; `timestamp_ns` is where the minute starts."""

    symbol: str
    open_e4: int
    high_e4: int
    low_e4: int
    close_e4: int
    volume: int
    timestamp_ns: int


Tick = Trade | Quote
MarketEvent = Trade | Quote | Bar
