"""Asking the processes how they are: a good answer, a bad one, none at all, and never an exception."""

import socket
import threading
from collections.abc import Iterator

import pytest

from tradingmesh.cli.up_plan import Process
from tradingmesh.cli.up_watch import Watch, fetch, is_ready, why_not_ready
from tradingmesh.contract import Component
from tradingmesh.runtime.admin import Admin
from tradingmesh.telemetry.metrics import Metrics


class Answering:
    """A process's admin HTTP, with what it says settable."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.epoch = 7
        self.metrics = Metrics()
        self.metrics.counter("messages_received", channel="market-data").inc(5)
        self._admin = Admin(
            self.metrics.registry,
            last_turn_s=lambda: 0.0,
            not_ready=lambda: self.reasons,
            config=lambda: {"epoch": self.epoch, "status": {"gaps": 0}, "metrics": self.metrics.snapshot()},
        )
        self.process = Process(Component.RISK_MANAGER, "risk-manager", self._admin.start("127.0.0.1", 0))
        self.close = self._admin.close


@pytest.fixture
def answering() -> Iterator[Answering]:
    """A process that answers."""
    found = Answering()
    yield found
    found.close()


@pytest.fixture
def silent() -> Iterator[Process]:
    """A port on which nobody listens, and nobody will."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield Process(Component.MARKET_DATA_FEED, "market-data-feed", held.getsockname()[1])


def test_ready_is_what_the_process_says(answering: Answering) -> None:
    """And why not, in its own words."""
    assert is_ready(answering.process)
    answering.reasons = ["no stream", "no disk"]
    assert not is_ready(answering.process)
    assert why_not_ready(answering.process) == "no stream; no disk"


def test_who_does_not_answer_is_not_ready(silent: Process) -> None:
    """Nothing is raised: it is only starting."""
    assert not is_ready(silent)
    assert why_not_ready(silent) == "no answer yet"


def test_what_is_no_json_object_is_no_answer(answering: Answering) -> None:
    """Metrics are text, an unknown path is a sentence."""
    assert fetch(answering.process.port, "/metrics") is None
    assert fetch(answering.process.port, "/elsewhere") is None


def test_each_start_of_a_process_is_a_picture_of_its_own(answering: Answering, silent: Process) -> None:
    """Who is silent takes nothing away from the others."""
    watch = Watch([answering.process, silent])
    watch.look()
    answering.epoch = 8
    watch.look()
    watch.close()
    assert sorted(watch.pictures) == [("risk-manager", 7), ("risk-manager", 8)]
    picture = watch.pictures["risk-manager", 8]
    assert picture.counters["messages_received"] == {"channel=market-data": 5}
    assert picture.status == {"gaps": 0}


def test_an_answer_that_was_cut_off_is_no_answer() -> None:
    """A process that is killed while it answers has said that all is well, and then nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection = server.accept()[0]
            with connection:
                connection.recv(1_000)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n")

        dying = threading.Thread(target=answer)
        dying.start()
        assert fetch(server.getsockname()[1], "/configz") is None
        dying.join()
