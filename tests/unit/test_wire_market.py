"""Trades, quotes and bars on the wire: what goes in comes out, what does not fit is refused, random bytes are too."""

import struct
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradingmesh.core.errors import InputError, WireError
from tradingmesh.core.market import Bar, MarketEvent, Quote, Trade
from tradingmesh.wire.batch import view
from tradingmesh.wire.header import Kind
from tradingmesh.wire.market import (
    BAR,
    DECODERS,
    QUOTE,
    RECORD_BYTES,
    TRADE,
    decode_all,
    decode_bar,
    decode_quote,
    decode_trade,
    encode,
    encode_bar,
    encode_quote,
    encode_symbol,
    encode_trade,
    topic_of,
)

symbols = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./", min_size=1, max_size=8)
prices = st.integers(0, 2**63 - 1)
sizes = st.integers(0, 2**32 - 1)
times = st.integers(-(2**63), 2**63 - 1)
trades = st.builds(Trade, symbols, prices, sizes, times)
quotes = st.builds(Quote, symbols, prices, prices, sizes, sizes, times)
bars = st.builds(Bar, symbols, prices, prices, prices, prices, st.integers(0, 2**64 - 1), times)
events = st.one_of(trades, quotes, bars)


@given(events)
def test_what_goes_in_comes_out(event: MarketEvent) -> None:
    """Every event that fits, to the last bit, in as many bytes as its kind has."""
    kind, payload = encode(event)
    assert len(payload) == RECORD_BYTES[kind]
    assert DECODERS[kind](payload) == event


@given(trades)
def test_a_trade_is_laid_out_as_the_seed_has_it(trade: Trade) -> None:
    """symbol[8], price i64, size u32, timestamp i64, little-endian, without holes."""
    payload = encode_trade(trade)
    assert payload[:8] == trade.symbol.encode().ljust(8, b"\0")
    assert int.from_bytes(payload[8:16], "little", signed=True) == trade.price_e4
    assert int.from_bytes(payload[16:20], "little") == trade.size
    assert int.from_bytes(payload[20:28], "little", signed=True) == trade.timestamp_ns


@given(st.sampled_from(Kind), st.binary(max_size=120))
@example(Kind.TRADE, b"\xff" * TRADE.size)
@example(Kind.QUOTE, b"\0" * QUOTE.size)
@example(Kind.BAR, b"IBM\0IBM\0" + b"\0" * 48)
def test_random_bytes_raise_nothing_but_wire_error(kind: Kind, payload: bytes) -> None:
    """Whatever a payload holds, its decoder gives an event or refuses it."""
    decoder = DECODERS.get(kind)
    if decoder is not None:
        with suppress(WireError):
            event = decoder(payload)
            assert encode(event) == (kind, payload)


@given(st.sampled_from([Kind.TRADE, Kind.QUOTE, Kind.BAR]), st.binary(max_size=80))
def test_another_size_is_refused(kind: Kind, payload: bytes) -> None:
    """A payload of one byte less or more than the kind has is no event of it."""
    if len(payload) != RECORD_BYTES[kind]:
        with pytest.raises(WireError, match=f"has {RECORD_BYTES[kind]} bytes, this payload has {len(payload)}"):
            DECODERS[kind](payload)


@pytest.mark.parametrize(
    "payload",
    [
        TRADE.pack(b"IBM", -1, 1, 1),
        QUOTE.pack(b"IBM", -1, 1, 1, 1, 1),
        QUOTE.pack(b"IBM", 1, -1, 1, 1, 1),
        *(BAR.pack(b"IBM", *(-1 if n == bad else 1 for n in range(4)), 1, 1) for bad in range(4)),
    ],
)
def test_a_negative_price_is_refused(payload: bytes) -> None:
    """In whichever field it stands."""
    decoder = {TRADE.size: decode_trade, QUOTE.size: decode_quote, BAR.size: decode_bar}[len(payload)]
    with pytest.raises(WireError, match="-1"):
        decoder(payload)


@pytest.mark.parametrize("raw", [b"\0" * 8, b"IBM\0IBM\0", b"\0IBM\0\0\0\0", "Ä".encode().ljust(8, b"\0"), b"\xff" * 8])
def test_what_is_no_symbol_is_refused(raw: bytes) -> None:
    """Empty, with a zero inside, or not ASCII."""
    with pytest.raises(WireError, match="is not a symbol"):
        decode_trade(raw + TRADE.pack(b"", 1, 1, 1)[8:])


@pytest.mark.parametrize("symbol", ["", "TOOLONGER", "A\0B", "ÄÄÄÄÄ"])
def test_a_symbol_that_does_not_fit_is_refused(symbol: str) -> None:
    """Nothing is cut: it raises where it enters, and names the symbol."""
    with pytest.raises(InputError, match="does not fit 8 bytes"):
        encode_symbol(symbol)
    with pytest.raises(InputError, match="does not fit 8 bytes"):
        encode_trade(Trade(symbol, 1, 1, 1))


@pytest.mark.parametrize(
    "event",
    [
        Trade("IBM", 2**63, 1, 1),
        Trade("IBM", 1, 2**32, 1),
        Trade("IBM", 1, -1, 1),
        Trade("IBM", 1, 1, 2**63),
        Quote("IBM", 2**63, 1, 1, 1, 1),
        Quote("IBM", 1, 1, 1, 2**32, 1),
        Bar("IBM", 1, 1, 1, 2**63, 1, 1),
        Bar("IBM", 1, 1, 1, 1, 2**64, 1),
        Bar("IBM", 1, 1, 1, 1, -1, 1),
    ],
)
def test_a_number_that_does_not_fit_is_refused(event: MarketEvent) -> None:
    """It raises where it enters, and names the symbol."""
    with pytest.raises(InputError, match="of IBM does not fit"):
        encode(event)


@pytest.mark.parametrize("price", [1.5, float("nan"), "1", None])
def test_what_is_no_whole_number_is_refused(price: object) -> None:
    """No float becomes a price, not even a whole one."""
    with pytest.raises(InputError, match="of IBM does not fit"):
        encode_trade(Trade("IBM", price, 1, 1))  # type: ignore[arg-type] # that is what is tried
    with pytest.raises(InputError, match="of IBM does not fit"):
        encode_quote(Quote("IBM", 1, price, 1, 1, 1))  # type: ignore[arg-type] # that is what is tried
    with pytest.raises(InputError, match="of IBM does not fit"):
        encode_bar(Bar("IBM", 1, 1, price, 1, 1, 1))  # type: ignore[arg-type] # that is what is tried


@given(st.lists(trades, max_size=20))
def test_a_batch_is_its_records(batch: list[Trade]) -> None:
    """Decoded one by one or as a view, the same numbers come out."""
    payload = b"".join(map(encode_trade, batch))
    assert list(decode_all(Kind.TRADE, len(batch), payload)) == batch
    array = view(Kind.TRADE, len(batch), payload)
    assert [
        (str(row["symbol"], "ascii"), int(row["price_e4"]), int(row["size"]), int(row["timestamp_ns"])) for row in array
    ] == [(trade.symbol, trade.price_e4, trade.size, trade.timestamp_ns) for trade in batch]


@given(quotes, bars)
def test_a_view_has_the_fields_of_its_kind(quote: Quote, bar: Bar) -> None:
    """Quotes and bars as well, each field by name."""
    [quoted] = view(Kind.QUOTE, 1, encode_quote(quote))
    assert [int(quoted[name]) for name in ("bid_e4", "ask_e4", "bid_size", "ask_size", "timestamp_ns")] == [
        quote.bid_e4,
        quote.ask_e4,
        quote.bid_size,
        quote.ask_size,
        quote.timestamp_ns,
    ]
    [barred] = view(Kind.BAR, 1, encode_bar(bar))
    assert [int(barred[name]) for name in ("open_e4", "high_e4", "low_e4", "close_e4", "volume", "timestamp_ns")] == [
        bar.open_e4,
        bar.high_e4,
        bar.low_e4,
        bar.close_e4,
        bar.volume,
        bar.timestamp_ns,
    ]


def test_a_view_cannot_be_written_to() -> None:
    """It is the message itself, not a copy."""
    array = view(Kind.TRADE, 1, encode_trade(Trade("IBM", 1, 1, 1)))
    with pytest.raises(ValueError, match="read-only"):
        array["price_e4"] = 2


@pytest.mark.parametrize(("kind", "count", "size"), [(Kind.TRADE, 2, 28), (Kind.TRADE, 0, 28), (Kind.FEATURES, 1, 28)])
def test_a_batch_of_another_size_is_refused(kind: Kind, count: int, size: int) -> None:
    """Kind, count and bytes must agree; other kinds have no records."""
    with pytest.raises(WireError, match=f"28 bytes are not {count} records of kind"):
        view(kind, count, bytes(size))
    with pytest.raises(WireError, match=f"28 bytes are not {count} records of kind"):
        decode_all(kind, count, bytes(size))


def test_topics_do_not_begin_each_other() -> None:
    """A SUB filter matches by prefix; the zero byte at the end makes it exact."""
    assert not topic_of("AAPL").startswith(topic_of("A"))
    assert topic_of("A") == b"A\0"


def test_records_have_the_sizes_they_are_said_to_have() -> None:
    """28, 40 and 56 bytes, as the layout's description has it."""
    assert [struct.calcsize(record.format) for record in (TRADE, QUOTE, BAR)] == [28, 40, 56]
