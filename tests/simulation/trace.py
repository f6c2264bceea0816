"""What happened, line by line: for a person to read, and to tell whether two runs were the same."""

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from tradingmesh.adapters.zmq_messages import read
from tradingmesh.core.errors import WireError
from tradingmesh.testing.virtual_time import START_NS, VirtualTime
from tradingmesh.wire import messages

if TYPE_CHECKING:
    from tradingmesh.testing.virtual_sockets import VirtualSocket

_CODECS: dict[int, messages.Codec[Any]] = {
    codec.kind: codec for codec in vars(messages).values() if isinstance(codec, messages.Codec)
}
_MEASURED = re.compile(r"latency_us=\d+")
"""The one figure of a message that is not of virtual time."""


class Trace:
    """The lines of one run."""

    def __init__(self, time: VirtualTime) -> None:
        self._time = time
        self.lines: list[str] = []

    def line(self, who: str, *told: object) -> None:
        """Something happened."""
        at_ms = (self._time.now_ns - START_NS) / 1e6
        text = " ".join(map(str, told))
        self.lines.append(f"{at_ms:10.3f} {who:18} {_MEASURED.sub('', text)}")

    def message(self, sender: "VirtualSocket", frames: list[bytes]) -> None:
        """A message left."""
        codec = _CODECS.get(frames[-2][1])
        if codec is None:
            return
        try:
            body = read(codec, frames[-2:]).body
        except (WireError, msgspec.MsgspecError) as error:
            body = error
        self.line(f"> {sender.channel}", body)

    def digest(self) -> str:
        """The same for two runs that were the same."""
        return blake2b("\n".join(self.lines).encode(), digest_size=16).hexdigest()
