"""Starting a mesh: the broker first, a few at a time, and clear words when one does not come up."""

import signal
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from tradingmesh.cli import up_start
from tradingmesh.cli.supervisor import Supervisor
from tradingmesh.cli.up_plan import Process
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.cli.up_start import STARTING_MAX, Starter
from tradingmesh.cli.up_watch import fetch
from tradingmesh.contract import Component, TradingSystemSpec
from tradingmesh.core.errors import ConfigError, TradingMeshError

STUB = """
import http.server, json, signal, sys, time
began, port, ready_after = time.monotonic(), int(sys.argv[1]), float(sys.argv[2])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        age = time.monotonic() - began
        body = {"reasons": ["warming up"], "status": {"subscriptions": 5 if age > ready_after + 0.5 else 4}}
        self.send_response(200 if age >= ready_after or self.path == "/configz" else 503)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""
SIMULATOR, RISK, FEED, STORE = (
    Component.ALPACA_SIMULATOR,
    Component.RISK_MANAGER,
    Component.MARKET_DATA_FEED,
    Component.MARKET_DATA_STORE,
)


class Mesh:
    """Stubs in place of components: each is ready so many seconds after it began, or fails."""

    def __init__(self, folder: Path, ready_after_s: dict[Component, float], fails: dict[Component, str]) -> None:
        ports = islice(counted_from(0), len(ready_after_s) + len(fails))
        planned = [Process(c, c.value, port) for c, port in zip([*ready_after_s, *fails], ports, strict=True)]

        def command(process: Process) -> list[str]:
            if process.component in fails:
                return [sys.executable, "-S", "-c", fails[process.component]]
            delay = str(ready_after_s[process.component])
            return [sys.executable, "-S", "-c", STUB, str(process.port), delay]

        self.said: list[str] = []
        self.interrupted = False
        self.supervisor = Supervisor(planned, lambda _: {}, folder, self.said.append, command)
        self.starter = Starter(self.supervisor, self.said.append, lambda: self.interrupted)

    def ready(self) -> list[str]:
        return [said.partition(":")[0] for said in self.said if ": ready in " in said]


MakeMesh = Callable[..., Mesh]


@pytest.fixture
def make_mesh(tmp_path: Path) -> Iterator[MakeMesh]:
    """`make_mesh({component: ready after seconds}, {component: failing program})`."""
    made: list[Mesh] = []

    def make(ready_after_s: dict[Component, float], fails: dict[Component, str] | None = None) -> Mesh:
        made.append(Mesh(tmp_path, ready_after_s, fails or {}))
        return made[-1]

    yield make
    for mesh in made:
        for child in mesh.supervisor.children.values():
            child.signal(signal.SIGKILL)
        mesh.supervisor.stop([tuple(Component)], bound_s=5)


def _failing(words: str, code: int) -> str:
    return f"import sys; sys.stderr.write({words!r}); sys.exit({code})"


def test_nothing_starts_before_the_broker_is_ready(make_mesh: MakeMesh) -> None:
    """A tape that cannot be read is then found before anything else runs."""
    mesh = make_mesh({SIMULATOR: 0.4, RISK: 0.0})
    assert mesh.starter.run()
    assert mesh.ready() == ["alpaca-simulator", "risk-manager"]
    assert all(child.ready_s is not None for child in mesh.supervisor.children.values())


def test_no_more_start_at_once_than_there_are_cores(make_mesh: MakeMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one begins when one is ready."""
    monkeypatch.setattr(up_start, "STARTING_MAX", 2)
    assert STARTING_MAX >= 2
    mesh = make_mesh({RISK: 0.3, FEED: 0.3, STORE: 0.0})
    assert mesh.starter.run()
    ages = {name: child.age_s() for name, child in mesh.supervisor.children.items()}
    assert ages["market-data-store"] < min(ages["risk-manager"], ages["market-data-feed"]) - 0.2


def test_one_that_waits_for_a_later_one_does_not_block_it(make_mesh: MakeMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place is given away after a while."""
    monkeypatch.setattr(up_start, "STARTING_MAX", 1)
    monkeypatch.setattr(up_start, "SLOT_S", 0.2)
    mesh = make_mesh({RISK: 2.0, STORE: 0.0})
    assert mesh.starter.run()
    assert mesh.ready() == ["market-data-store", "risk-manager"]


def test_bad_input_that_a_process_finds_is_passed_on(make_mesh: MakeMesh) -> None:
    """With its words, as bad input; and what comes after it is not started."""
    mesh = make_mesh({}, {SIMULATOR: _failing("tradingmesh: the tape is torn", 2), RISK: _failing("", 0)})
    with pytest.raises(ConfigError, match=r"^alpaca-simulator: the tape is torn$"):
        mesh.starter.run()
    assert mesh.supervisor.children["risk-manager"].exit_code is None


def test_one_that_is_never_ready_says_why(make_mesh: MakeMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """In its own words, with its log."""
    monkeypatch.setattr(up_start, "READY_WITHIN_S", 3.0)
    mesh = make_mesh({RISK: 60.0})
    with pytest.raises(TradingMeshError, match=r"^risk-manager: not ready within 3 s: warming up; see .*\.log$"):
        mesh.starter.run()


def test_what_is_waited_for_is_said(make_mesh: MakeMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never silent for long."""
    monkeypatch.setattr(up_start, "_SAY_EVERY_S", 0.1)
    mesh = make_mesh({RISK: 2.0})
    mesh.starter.run()
    assert "risk-manager: waiting, warming up" in mesh.said


def test_an_interrupt_ends_the_starting(make_mesh: MakeMesh) -> None:
    """And says so to whoever stops what was started."""
    mesh = make_mesh({RISK: 60.0})
    mesh.interrupted = True
    assert not mesh.starter.run()


SPEC = TradingSystemSpec.model_validate(
    {"symbols": ["IBM"], "strategies": [{"name": "a", "uses": "x", "symbols": ["IBM"]}]}
)


def test_every_subscriber_is_waited_for_before_the_tape(make_mesh: MakeMesh) -> None:
    """The stub feed hears its fifth subscription half a second after it is ready."""
    mesh = make_mesh({FEED: 0.0})
    mesh.starter.run()
    mesh.starter.wait_joined(SPEC)
    told = fetch(mesh.supervisor.children[FEED.value].process.port, "/configz")
    assert told is not None
    assert told["status"]["subscriptions"] == 5
    assert "market-data-feed: not every" not in " ".join(mesh.said)


def test_a_subscriber_that_never_joins_is_told(make_mesh: MakeMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on without it, and the report will show what it missed."""
    monkeypatch.setattr(up_start, "JOINED_WITHIN_S", 0.3)
    mesh = make_mesh({FEED: 0.0})
    mesh.starter.run()
    mesh.starter.wait_joined(SPEC.model_copy(update={"symbols": ["IBM", "BAC"]}))
    assert mesh.said[-1].startswith("market-data-feed: not every subscriber has joined")
