"""A ZeroMQ socket whose multipart calls cost little more than their frames (docs/decisions/0002-zeromq-sockets.md).

pyzmq's own `send_multipart` looks at the type of each frame and offers routing ids and groups; its `recv_multipart`
asks after each frame, by a socket option, whether more follow. Together that is most of the time a message takes.
"""

from collections.abc import Sequence
from typing import Any

import zmq
import zmq.backend

_MORE = int(zmq.SNDMORE)
_send: Any = zmq.backend.Socket.send
_recv: Any = zmq.backend.Socket.recv


class LeanSocket(zmq.Socket[bytes]):
    """Sends and receives whole messages of bytes; the same in every other way."""

    def send_multipart(  # type: ignore[override] # frames are bytes here, and always copied
        self, msg_parts: Sequence[bytes], flags: int = 0
    ) -> None:
        """Sends the frames as one message."""
        flags = int(flags)
        *first, last = msg_parts
        for frame in first:
            _send(self, frame, flags | _MORE)
        _send(self, last, flags)

    def recv_multipart(self, flags: int = 0) -> list[bytes]:  # type: ignore[override] # frames are bytes here
        """The frames of the next message."""
        frame = _recv(self, flags, False)  # noqa: FBT003 - by position: a keyword would cost as much as the frame
        frames = [frame.bytes]
        while frame.more:
            frame = _recv(self, 0, False)  # noqa: FBT003 - as above
            frames.append(frame.bytes)
        return frames
