"""Processes to measure between: each runs one function with a pipe to its starter, and ends with it."""

import multiprocessing
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from tradingmesh.core.errors import TradingMeshError

ANSWER_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 5.0


class BenchError(TradingMeshError):
    """A benchmark could not be carried out; its figures would mean nothing."""


class Peer(AbstractContextManager["Peer"]):
    """A process of its own that runs `role(pipe, *args)`."""

    def __init__(self, role: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._name = role.__name__
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=role, args=(theirs, *args), daemon=True)
        self._process.start()
        theirs.close()

    def get(self, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """What the role sends next. Raises `BenchError` where it ended or said nothing in time."""
        if not self._pipe.poll(timeout_s):
            raise BenchError(f"{self._name} said nothing for {timeout_s:g} s")
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError):
            raise BenchError(f"{self._name} ended early") from None

    def put(self, what: object) -> None:
        """Tells the role something. Raises `BenchError` where it ended."""
        try:
            self._pipe.send(what)
        except BrokenPipeError:
            raise BenchError(f"{self._name} ended early") from None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.join(_STOP_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self._pipe.close()


def start(stack: ExitStack, role: Callable[..., None], *args: Any) -> Peer:
    """A peer that ends with the stack."""
    return stack.enter_context(Peer(role, *args))


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody uses now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


Pipe = Connection
