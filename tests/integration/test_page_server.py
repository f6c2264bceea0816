"""The live page's HTTP over a real port: its files, its news, and who is let go so that nobody waits for a browser."""

import http.client
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tradingmesh.core.errors import ConfigError
from tradingmesh.metrics_collector import page_server
from tradingmesh.metrics_collector.page_board import WATCHERS_MAX, Board
from tradingmesh.metrics_collector.page_server import CONNECTIONS_MAX, EVENTS_PATH, PageServer, page_files

HOST = "127.0.0.1"
WAIT_S = 10.0


class Served:
    """A page whose news the test pins up."""

    def __init__(self) -> None:
        self.board = Board()
        self.slow = self.refused = 0
        self.server = PageServer(self.board, self._on_slow, self._on_refused)
        self.port = self.server.start(HOST, 0)

    def get(self, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=WAIT_S)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def watch(self) -> "Watcher":
        return Watcher(self.port)

    def _on_slow(self) -> None:
        self.slow += 1

    def _on_refused(self) -> None:
        self.refused += 1


class Watcher:
    """A browser at the stream of news."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=WAIT_S)
        self._connection.request("GET", EVENTS_PATH)
        self.answer = self._connection.getresponse()

    def events(self, count: int) -> list[tuple[str, str]]:
        """The next so many events: name and data. What is no event is passed over."""
        found: list[tuple[str, str]] = []
        name = ""
        while len(found) < count:
            line = self.answer.readline().decode().rstrip("\n")
            kind, _, text = line.partition(": ")
            if kind == "event":
                name = text
            elif kind == "data":
                found.append((name, text))
        return found

    def close(self) -> None:
        self.answer.close()
        self._connection.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.server.close()


def wait(condition: Callable[[], object]) -> None:
    give_up_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < give_up_s, "the condition did not come to hold in time"
        time.sleep(0.005)


def test_every_file_of_the_page_is_served(served: Served) -> None:
    """HTML at the root, and what it names, each as what it is."""
    assert set(page_files()) == {"/", "/page.css", "/page.js", "/curve.js", "/icon.svg"}
    for path, file in page_files().items():
        answer, body = served.get(path)
        assert (answer.status, answer.headers["Content-Type"], body) == (200, file.type, file.body)


def test_a_browser_is_told_to_fetch_nothing_else(served: Served) -> None:
    """No script, style, font or picture from anywhere else, and nobody frames the page."""
    for path in ("/", "/page.js", "/nowhere"):
        answer, _ = served.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == ("nosniff", "no-store")
    for file in page_files().values():
        assert b"http://" not in file.body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in file.body


@pytest.mark.parametrize(
    "path", ["/page", "/page/index.html", "/../main.py", "/%2e%2e/main.py", "//etc/passwd", "/main.py"]
)
def test_other_paths_are_none(served: Served, path: str) -> None:
    """Nothing is looked up on the disk."""
    answer, body = served.get(path)
    assert (answer.status, body) == (404, b"the live page is at /\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD"])
def test_nothing_can_be_done_here(served: Served, method: str) -> None:
    """It is there to look at."""
    assert served.get("/", method)[0].status == 501


@pytest.mark.parametrize(("host", "status"), [("localhost:1", 200), ("127.0.0.1", 200), ("[::1]:8080", 200)])
def test_on_loopback_its_own_names_are_good(served: Served, host: str, status: int) -> None:
    """As `up` prints it, and as a port is forwarded."""
    assert served.get("/", Host=host)[0].status == status


@pytest.mark.parametrize("path", ["/", EVENTS_PATH])
def test_on_loopback_a_strangers_name_is_not(served: Served, path: str) -> None:
    """A site whose name leads here is another origin to nobody: it would read the page."""
    assert served.get(path, Host="evil.example:8080")[0].status == 421
    served.server.loopback_only = False  # in a pod, it is reached by whatever names there are
    assert served.get("/", Host="demo-metrics-collector:8080")[0].status == 200


def test_who_comes_finds_what_hangs_there_and_then_what_changes(served: Served) -> None:
    """Each section whole; what has not changed is not sent again."""
    served.board.pin({"ledger": b'{"cash":"1"}', "orders": b"[]"})
    watcher = served.watch()
    assert watcher.answer.headers["Content-Type"] == "text/event-stream"
    assert watcher.events(2) == [("ledger", '{"cash":"1"}'), ("orders", "[]")]
    served.board.pin({"ledger": b'{"cash":"2"}', "orders": b"[]"})
    served.board.pin({"ledger": b'{"cash":"2"}', "orders": b"[1]"})
    assert watcher.events(2) == [("ledger", '{"cash":"2"}'), ("orders", "[1]")]
    watcher.close()


def test_a_late_watcher_finds_the_newest_only(served: Served) -> None:
    """Nothing queues: what was between is gone."""
    for number in range(1_000):
        served.board.pin({"clock": b"%d" % number})
    watcher = served.watch()
    assert watcher.events(1) == [("clock", "999")]
    watcher.close()


def test_who_goes_leaves_room(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many may watch; one more is sent away until somebody goes."""
    monkeypatch.setattr(page_server, "NEWS_WITHIN_S", 0.05)
    watchers = [served.watch() for _ in range(WATCHERS_MAX)]
    wait(lambda: served.board.watchers == WATCHERS_MAX)
    answer, _ = served.get(EVENTS_PATH)
    assert (answer.status, served.refused) == (503, 1)
    assert served.get("/")[0].status == 200
    watchers.pop().close()
    wait(lambda: served.board.watchers < WATCHERS_MAX)
    last = served.watch()
    assert last.answer.status == 200
    for watcher in [*watchers, last]:
        watcher.close()
    wait(lambda: served.board.watchers == 0)


def test_who_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its buffers fill, then it is dropped and counted; the one who pins waits for nobody meanwhile."""
    monkeypatch.setattr(page_server._Handler, "timeout", 2.0)
    served = Served()
    with socket.create_connection((HOST, served.port)) as sleeper:
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        sleeper.sendall(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        wait(lambda: served.board.watchers == 1)
        longest_s, number = 0.0, 0
        while not served.slow:
            number += 1
            began_s = time.monotonic()
            served.board.pin({"feed": b"%d" % number + b"x" * 1_000_000})
            longest_s = max(longest_s, time.monotonic() - began_s)
            assert number < 5_000
            time.sleep(0.005)
        wait(lambda: served.board.watchers == 0)
    assert longest_s < 1.5, "it waited for the one who takes nothing, and did not just stand still with the machine"
    served.server.close()


def test_there_is_an_end_to_connections(served: Served) -> None:
    """One too many is closed without an answer; when others go, there is room again."""

    def answers() -> bool:
        try:
            return served.get("/")[0].status == 200
        except ConnectionError:
            return False

    open_ones = [socket.create_connection((HOST, served.port)) for _ in range(CONNECTIONS_MAX)]
    wait(lambda: not answers())
    for one in open_ones:
        one.close()
    wait(answers)


def test_garbage_is_survived(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    """Bytes that are no HTTP; the server goes on, and says nothing on the console."""
    with socket.create_connection((HOST, served.port), timeout=WAIT_S) as stranger:
        stranger.sendall(b"\x00\xff" * 100 + b"\r\n\r\n")
        stranger.recv(1_000)
    assert served.get("/")[0].status == 200
    assert capfd.readouterr().err == ""


def test_an_end_lets_everybody_go(served: Served) -> None:
    """The stream ends, and the port is free."""
    served.board.pin({"clock": b"1"})
    watcher = served.watch()
    watcher.events(1)
    served.server.close()
    assert b"event" not in watcher.answer.read()
    watcher.close()
    with pytest.raises(ConnectionRefusedError):
        served.get("/")


def test_a_taken_port_is_told(served: Served) -> None:
    """Which port, who has it, and which setting chooses another."""
    other = PageServer(Board(), lambda: None, lambda: None)
    with pytest.raises(ConfigError, match=rf"page's port {served.port} .* by .*TRADINGMESH_PAGE_PORT"):
        other.start(HOST, served.port)
