"""Reports of one symbol that follow each other, in one message: `[topic][header][payload]...`, one payload a report.

The place of the first is in the header (outbox and number) and the topic (symbol), each other's follows: so it is known
where a report stands also when its payload cannot be read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tradingmesh.core.errors import WireError
from tradingmesh.core.ids import MessageIds
from tradingmesh.core.place import Place
from tradingmesh.wire.header import HEADER, NO_SPAN, NO_TRACE, VERSION, Header, decode_header
from tradingmesh.wire.market import topic_of

BATCH_MAX = 50
"""So many reports travel in one message."""
_TOPIC_MAX_BYTES = 64


class Batch(NamedTuple):
    """A message of reports, the payloads as they came. The trace is that of the first."""

    header: Header
    symbol: str
    payloads: list[bytes]

    def place(self, index: int) -> Place:
        """Where the report of that payload stands."""
        return Place(self.header.epoch, self.symbol, self.header.sequence + index)


class BatchSender:
    """Makes the frames of such messages, with ids of this sender's own."""

    def __init__(self, instance: str, channel: str, epoch: int) -> None:
        self._ids = MessageIds(f"{instance}/{channel}", epoch)

    def frames(
        self, kind: int, first: Place, payloads: Sequence[bytes], now_ns: int, trace_id: bytes = NO_TRACE
    ) -> list[bytes]:
        """The message. The payloads are of the places from `first` on; at most `BATCH_MAX`."""
        epoch, symbol, number = first
        header = HEADER.pack(
            VERSION, kind, 0, len(payloads), epoch, number, now_ns, self._ids.take(), trace_id, NO_SPAN
        )
        return [topic_of(symbol), header, *payloads]


def read_batch(frames: list[bytes]) -> Batch:
    """The message again. Raises `WireError` where it has another shape, or does not say where its reports stand."""
    if len(frames) < 3:
        raise WireError(f"{len(frames)} frames where topic, header and payloads belong")
    topic, header = frames[0], decode_header(frames[1])
    if header.count != len(frames) - 2 or header.count > BATCH_MAX:
        raise WireError(f"{len(frames) - 2} reports where the header says {header.count}, and {BATCH_MAX} are allowed")
    if header.sequence < 1:
        raise WireError(f"number {header.sequence} in a line that begins with 1")
    if topic[-1:] != b"\0" or len(topic) > _TOPIC_MAX_BYTES:
        raise WireError("a topic is a symbol and a zero byte")
    try:
        return Batch(header, topic[:-1].decode(), frames[2:])
    except UnicodeDecodeError:
        raise WireError("a topic is a symbol and a zero byte") from None
