"""A ZeroMQ socket whose multipart calls cost little more than their frames (docs/decisions/0002-zeromq-sockets.md).

pyzmq's own `send_multipart` looks at the type of each frame and offers routing ids and groups; its `recv_multipart`
asks after each frame, by a socket option, whether more follow. Together that is most of the time a message takes.
"""

from collections.abc import Sequence
from typing import Any

import zmq

_MORE = int(zmq.SNDMORE)


class LeanSocket(zmq.Socket[bytes]):
    """Sends and receives whole messages of bytes; the same in every other way."""

    def send_multipart(  # type: ignore[override] # frames are bytes here, and always copied
        self, msg_parts: Sequence[bytes], flags: int = 0
    ) -> None:
        """Sends the frames as one message."""
        send = super(zmq.Socket, self).send
        more = int(flags) | _MORE
        for frame in msg_parts[:-1]:
            send(frame, more)
        send(msg_parts[-1], flags)

    def recv_multipart(self, flags: int = 0) -> list[bytes]:  # type: ignore[override] # frames are bytes here
        """The frames of the next message."""
        recv: Any = super(zmq.Socket, self).recv
        frame = recv(flags, copy=False)
        frames = [frame.bytes]
        while frame.more:
            frame = recv(flags, copy=False)
            frames.append(frame.bytes)
        return frames
