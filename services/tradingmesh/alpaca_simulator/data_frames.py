"""The bytes of Alpaca's market data stream: arrays of messages, in MessagePack or JSON as the client asked.

Each message is encoded once a format, whatever the number of clients; a frame is its messages put side by side.
Source: https://docs.alpaca.markets/docs/streaming-market-data.
"""

import struct
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec
from aiohttp import WSMsgType

from tradingmesh.alpaca_simulator.data_messages import bar_body, quote_body, trade_body
from tradingmesh.alpaca_simulator.times import rfc3339
from tradingmesh.core.market import Quote, Trade
from tradingmesh.core.tape.bars import TradedBar

_TIMESTAMP_64 = struct.Struct(">Q")
_ARRAY_16 = struct.Struct(">BH")
_SECOND_NS = 10**9


class Format(Protocol):
    """How messages become bytes."""

    opcode: WSMsgType
    """The kind of websocket frame they go in."""

    def encode(self, message: dict[str, Any], timestamp_ns: int | None = None) -> bytes:
        """One message; the time, if any, becomes its `t`."""

    def decode(self, data: bytes) -> Any:
        """What a client sent. Raises `msgspec.DecodeError`, `UnicodeDecodeError` or `RecursionError`."""

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """An array of encoded messages, at most 65,535."""


class MessagePack:
    """For clients that connect with `Content-Type: application/msgpack`; times are the timestamp extension type."""

    opcode = WSMsgType.BINARY

    def encode(self, message: dict[str, Any], timestamp_ns: int | None = None) -> bytes:
        """See `Format`."""
        if timestamp_ns is not None:
            second, ns = divmod(timestamp_ns, _SECOND_NS)
            message = {**message, "t": msgspec.msgpack.Ext(-1, _TIMESTAMP_64.pack(ns << 34 | second))}
        return msgspec.msgpack.encode(message)

    def decode(self, data: bytes) -> Any:
        """See `Format`."""
        return msgspec.msgpack.decode(data)

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """See `Format`."""
        return _ARRAY_16.pack(0xDC, len(messages)) + b"".join(messages)


class Json:
    """For everybody else; times are RFC 3339 with nanoseconds."""

    opcode = WSMsgType.TEXT

    def encode(self, message: dict[str, Any], timestamp_ns: int | None = None) -> bytes:
        """See `Format`."""
        if timestamp_ns is not None:
            message = {**message, "t": rfc3339(timestamp_ns)}
        return msgspec.json.encode(message)

    def decode(self, data: bytes) -> Any:
        """See `Format`."""
        return msgspec.json.decode(data)

    def frame(self, messages: Sequence[bytes]) -> bytes:
        """See `Format`."""
        return b"[" + b",".join(messages) + b"]"


MESSAGE_PACK: Format = MessagePack()
JSON: Format = Json()


def trade_message(trade: Trade, number: int) -> dict[str, Any]:
    """A trade for the channel `trades`, without its time."""
    return {"T": "t", "S": trade.symbol, **trade_body(trade, number)}


def quote_message(quote: Quote) -> dict[str, Any]:
    """A quote for the channel `quotes`, without its time."""
    return {"T": "q", "S": quote.symbol, **quote_body(quote)}


def bar_message(kind: str, traded: TradedBar) -> dict[str, Any]:
    """A bar for the channel `bars` (kind b) or `dailyBars` (kind d), without its time."""
    return {"T": kind, "S": traded.bar.symbol, **bar_body(traded)}
