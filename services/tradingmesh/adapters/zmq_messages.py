"""Messages off the hot path over any socket: `[header][payload]`, each header numbered by its sender."""

from typing import Generic, TypeVar

from tradingmesh.core.errors import WireError
from tradingmesh.core.ids import MessageIds
from tradingmesh.wire.header import HEADER, NO_SPAN, NO_TRACE, VERSION, WireMessage, decode_header
from tradingmesh.wire.messages import Codec

T = TypeVar("T")


class Sender(Generic[T]):
    """Makes the frames of one type of message, with ids and a sequence of this sender's own."""

    def __init__(self, codec: Codec[T], instance: str, epoch: int) -> None:
        self._kind = codec.kind
        self._encode = codec.encode
        self._ids = MessageIds(f"{instance}/{codec.kind}", epoch)
        self._epoch = epoch
        self._sequence = 0

    def frames(self, body: T, now_ns: int, *, trace_id: bytes = NO_TRACE, flags: int = 0) -> list[bytes]:
        """Header and payload."""
        self._sequence = sequence = self._sequence + 1
        message_id = self._ids.take()
        header = HEADER.pack(
            VERSION, self._kind, flags, 1, self._epoch, sequence, now_ns, message_id, trace_id, NO_SPAN
        )
        return [header, self._encode(body)]


def read(codec: Codec[T], frames: list[bytes]) -> WireMessage[T]:
    """Header and body of `[header][payload]`. Raises `WireError` for another shape, version or kind."""
    if len(frames) != 2:
        raise WireError(f"{len(frames)} frames where header and payload belong")
    header = decode_header(frames[0])
    if header.kind != codec.kind:
        raise WireError(f"kind {header.kind} where {codec.kind} belongs")
    return WireMessage(header, codec.decode(frames[1]))
