"""The codec beside json and msgspec's MessagePack, of the same fields."""

import json
import time
from functools import partial
from timeit import Timer
from typing import Any

import msgspec

from tradingmesh.bench.figures import Goal, Report, best, row
from tradingmesh.core.ids import MessageIds
from tradingmesh.core.market import Trade
from tradingmesh.wire.batch import view
from tradingmesh.wire.header import Kind, decode_header, encode_header
from tradingmesh.wire.market import decode_trade, encode_trade

ROUNDS = 21
TRADE = Trade("IBM", 1_820_100, 100, 1_381_152_600_000_000_000)
BATCH = 10_000
_EPOCH = 1_381_152_600_000
_JSON_SHARE = 10
"""json gets a tenth of the turns: a round is then as long for each contestant."""

Statements = dict[str, str]


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


_OF_A_TRADE: Statements = {
    "json": "loads(dumps(fields))",
    "MessagePack": "decode(encode(trade))",
    "ours": "decode_trade(encode_trade(trade))",
}
_OF_A_MESSAGE: Statements = {
    "json": "loads(dumps(all_fields))",
    "MessagePack": "decode_message(encode(message))",
    "ours": "decode_header(encode_header(1, epoch, 7, now_ns, an_id, trace_id=an_id, span_id=span_id));"
    "decode_trade(encode_trade(trade))",
}


def run(*, rounds: int = ROUNDS, count: int = 10_000) -> Report:
    """Encodings and decodings a second of a trade, alone and with its header, and events a second of a batch."""
    names = _names()
    rows = []
    for figure, statements, goal in (
        ("trade, encode + decode", _OF_A_TRADE, Goal("ratio", 10)),
        ("header + trade, encode + decode", _OF_A_MESSAGE, None),
    ):
        each = {name: partial(_per_s, name, statements[name], names, count) for name in statements}
        measured = best(each, rounds)
        ours = measured["ours"] / 1e3
        rows.append(row(figure, "K/s", ours, beside=("json", measured["json"] / 1e3), goal=goal))
        rows.append(row(figure, "K/s", ours, beside=("MessagePack", measured["MessagePack"] / 1e3)))
    batch = best({"batch": partial(_batch_per_s, max(1, count // 100))}, rounds)["batch"]
    rows.append(row(f"batch of {BATCH} trades, decode", "M/s", batch / 1e6, goal=Goal("value", 5)))
    return Report("wire", rounds, rows, "best")


def _names() -> dict[str, Any]:
    """What the statements speak of."""
    an_id = MessageIds("bench", _EPOCH).take()
    span_id, now_ns = an_id[8:], TRADE.timestamp_ns
    message = _Message(1, Kind.TRADE, 0, 1, _EPOCH, 7, now_ns, an_id, an_id, span_id, TRADE)
    as_text = {"message_id": an_id.hex(), "trace_id": an_id.hex(), "span_id": span_id.hex()}
    return {
        "loads": json.loads,
        "dumps": json.dumps,
        "encode": msgspec.msgpack.Encoder().encode,
        "decode": msgspec.msgpack.Decoder(Trade).decode,
        "decode_message": msgspec.msgpack.Decoder(_Message).decode,
        "fields": msgspec.to_builtins(TRADE),
        "all_fields": msgspec.to_builtins(message) | as_text,
        "trade": TRADE,
        "message": message,
        "epoch": _EPOCH,
        "an_id": an_id,
        "span_id": span_id,
        "now_ns": now_ns,
        "encode_trade": encode_trade,
        "decode_trade": decode_trade,
        "encode_header": encode_header,
        "decode_header": decode_header,
    }


def _per_s(name: str, statement: str, names: dict[str, Any], count: int) -> float:
    times = max(1, count // _JSON_SHARE if name == "json" else count)
    return times / Timer(statement, globals=names).timeit(times)


def _batch_per_s(count: int) -> float:
    """Decodes batches and takes the sum of a column of each, so that the view is seen to be read."""
    payload = encode_trade(TRADE) * BATCH
    expected = TRADE.price_e4 * BATCH
    began_ns = time.perf_counter_ns()
    for _ in range(count):
        if int(view(Kind.TRADE, BATCH, payload)["price_e4"].sum()) != expected:
            raise AssertionError("the batch was decoded wrongly")
    return count * BATCH * 1e9 / (time.perf_counter_ns() - began_ns)
