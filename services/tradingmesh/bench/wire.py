"""The codec beside json and msgspec's MessagePack, of the same fields."""

import json
import time
from collections.abc import Callable
from functools import partial

import msgspec

from tradingmesh.bench.figures import ROUNDS, Goal, Report, medians, row
from tradingmesh.core.ids import MessageIds
from tradingmesh.core.market import Trade
from tradingmesh.wire.batch import view
from tradingmesh.wire.header import Kind, decode_header, encode_header
from tradingmesh.wire.market import decode_trade, encode_trade

TRADE = Trade("IBM", 1_820_100, 100, 1_381_152_600_000_000_000)
BATCH = 10_000
_EPOCH = 1_381_152_600_000


def run(*, rounds: int = ROUNDS, count: int = 40_000) -> Report:
    """Nanoseconds to encode and decode a trade, alone and with its header, and events a second of a batch."""
    alone = medians(_contestants_of_a_trade(count), rounds)
    whole = medians(_contestants_of_a_message(count), rounds)
    batch = medians({"batch": partial(_batch_per_s, max(1, count // 100))}, rounds)["batch"]
    rows = []
    for figure, measured, goal in (
        ("trade, encode + decode", alone, Goal("ratio", 10)),
        ("header + trade, encode + decode", whole, None),
    ):
        ours = 1e6 / measured["ours"]
        rows.append(row(figure, "K/s", ours, beside=("json", 1e6 / measured["json"]), goal=goal))
        rows.append(row(figure, "K/s", ours, beside=("MessagePack", 1e6 / measured["MessagePack"])))
    rows.append(row(f"batch of {BATCH} trades, decode", "M/s", batch / 1e6, goal=Goal("value", 5)))
    return Report("wire", rounds, rows)


def _contestants_of_a_trade(count: int) -> dict[str, Callable[[], float]]:
    fields = msgspec.to_builtins(TRADE)
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Trade).decode
    return {
        "json": partial(_ns_each, lambda: json.loads(json.dumps(fields)), count // 10),
        "MessagePack": partial(_ns_each, lambda: decode(encode(TRADE)), count),
        "ours": partial(_ns_each, lambda: decode_trade(encode_trade(TRADE)), count),
    }


class _Message(msgspec.Struct):
    """The header's fields and a trade, as MessagePack would carry them."""

    version: int
    kind: int
    flags: int
    count: int
    epoch: int
    sequence: int
    timestamp_ns: int
    message_id: bytes
    trace_id: bytes
    span_id: bytes
    trade: Trade


def _contestants_of_a_message(count: int) -> dict[str, Callable[[], float]]:
    message_id = MessageIds("bench", _EPOCH).take()
    now_ns = TRADE.timestamp_ns
    message = _Message(1, Kind.TRADE, 0, 1, _EPOCH, 7, now_ns, message_id, message_id, message_id[8:], TRADE)
    ids = {"message_id": message_id.hex(), "trace_id": message_id.hex(), "span_id": message_id[8:].hex()}
    fields = msgspec.to_builtins(message) | ids
    encode, decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(_Message).decode

    def ours() -> None:
        header = encode_header(Kind.TRADE, _EPOCH, 7, now_ns, message_id, trace_id=message_id, span_id=message_id[8:])
        payload = encode_trade(TRADE)
        decode_header(header)
        decode_trade(payload)

    return {
        "json": partial(_ns_each, lambda: json.loads(json.dumps(fields)), count // 10),
        "MessagePack": partial(_ns_each, lambda: decode(encode(message)), count),
        "ours": partial(_ns_each, ours, count),
    }


def _batch_per_s(count: int) -> float:
    """Decodes batches and takes the sum of price x size of each, so that the view is seen to be read."""
    payload = encode_trade(TRADE) * BATCH
    expected = TRADE.price_e4 * BATCH
    began_ns = time.perf_counter_ns()
    for _ in range(count):
        if int(view(Kind.TRADE, BATCH, payload)["price_e4"].sum()) != expected:
            raise AssertionError("the batch was decoded wrongly")
    return count * BATCH * 1e9 / (time.perf_counter_ns() - began_ns)


def _ns_each(call: Callable[[], object], count: int) -> float:
    times = range(max(1, count))
    began_ns = time.perf_counter_ns()
    for _ in times:
        call()
    return (time.perf_counter_ns() - began_ns) / len(times)
