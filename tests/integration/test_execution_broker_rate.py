"""The rate of calls to the broker's API, against a server that limits it: kept to, and never tried."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tradingmesh.adapters import alpaca_trading
from tradingmesh.adapters.alpaca_trading_json import order_request
from tradingmesh.core.orders.effects import SubmitAnswered, SubmitRefused
from tradingmesh.core.orders.record import Order
from tradingmesh.core.signal import Side
from tradingmesh.ports import ReadyOrder
from tradingmesh.runtime.component import WallClock
from tradingmesh.testing.told_server import Answer, ApiDesk, ToldServer

RECOVERY_S = 0.3


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiDesk]:
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 2.0)
    server = ToldServer()
    yield ApiDesk(server, WallClock(), RECOVERY_S)
    server.shutdown()
    server.server_close()


def ready(client: str = "c-1", *, valid_s: float = 20.0) -> ReadyOrder:
    until_ns = time.time_ns() + int(valid_s * 1e9)
    order = Order(client, "IBM", Side.BUY, Decimal(100), 1, valid_until_ns=until_ns)
    return ReadyOrder(order, order_request(order))


def wait_for(condition: Callable[[], object]) -> None:
    give_up_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


class Limited:
    """A broker that answers so many requests in a window, with Alpaca's headers, and 429 to the rest of it."""

    def __init__(self, server: ToldServer, limit: int) -> None:
        self._server = server
        self._limit = limit
        self._used = 0
        self._ends_s = int(time.time()) + 60
        self._lock = threading.Lock()

    def next_window(self) -> None:
        """The quota is whole again; who waits hears of it with the next answer."""
        with self._lock:
            self._used, self._ends_s = 0, self._ends_s + 60

    def __call__(self, method: str, path: str, parameters: dict[str, str]) -> Answer:
        with self._lock:
            self._used += 1
            left, ends_s = self._limit - self._used, self._ends_s
        figures = {"Limit": self._limit, "Remaining": max(left, 0), "Reset": ends_s}
        headers = {f"X-RateLimit-{name}": str(figure) for name, figure in figures.items()}
        if left < 0:
            return 429, {"code": 42910000, "message": "too many requests."}, headers
        return (*self._server.good(method, path, parameters)[:2], headers)


def test_one_429_holds_all_calls_back(desk: ApiDesk) -> None:
    """The first order is refused for its rate; nothing more reaches the broker until the wait is over, then all do."""
    desk.server.fail(429, **{"Retry-After": "1"})
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(desk.trading().submit, ready("c-0"))
        wait_for(lambda: desk.counted("broker_rate_limited"))
        desk.server.answer = desk.server.good
        others = [pool.submit(desk.trading().submit, ready(f"c-{n}")) for n in (1, 2)]
        canceled = pool.submit(desk.trading().cancel, "b-1")
        assert all(isinstance(one.result(), SubmitAnswered) for one in (first, *others))
        canceled.result()
    refused_s, again_s, *_ = desk.server.seen_s
    assert again_s - refused_s > 0.95
    assert desk.counted("broker_rate_limited") == 1
    assert not any("by_client_order_id" in seen for seen in desk.server.seen), "a refused order needs no look-up"


def test_order_whose_time_ends_before_the_wait_is_refused_at_once(desk: ApiDesk) -> None:
    """It would be past its valid-until: nothing is waited for, and nothing more is sent."""
    desk.server.fail(429, **{"Retry-After": "30"})
    began_s = time.monotonic()
    answer = desk.trading().submit(ready(valid_s=10))
    assert isinstance(answer, SubmitRefused)
    assert "rate limit" in answer.reason
    assert time.monotonic() - began_s < 5
    assert desk.server.seen == ["POST /v2/orders"]


def test_reconciliation_keeps_to_the_rate_and_leaves_room_for_orders(desk: ApiDesk) -> None:
    """Sixty look-ups where a window has sixty requests: no 429, and orders and cancels do not wait for the next one."""
    broker = desk.server.answer = Limited(desk.server, 60)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(desk.trading().snapshot, 0, 0, [f"c-{n}" for n in range(60)])
        wait_for(lambda: desk.counted("broker_rate_waits"))
        assert len(desk.server.seen) == 45, "a quarter is kept"
        assert isinstance(desk.trading().submit(ready("order")), SubmitAnswered)
        desk.trading().cancel("b-1")
        assert len(desk.server.seen) == 47
        broker.next_window()
        desk.trading().cancel("b-2")
        assert len(asking.result(timeout=20).missing) == 60
    assert desk.counted("broker_rate_limited") == 0
    assert desk.counted("broker_rate_waits") == 1
