"""A reconciliation's questions through alpaca-py, against a server that answers oddly."""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from tradingmesh.adapters import alpaca_snapshot, alpaca_trading
from tradingmesh.adapters.alpaca_answers import KeysRefusedError
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_snapshot import AlpacaSnapshot
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.alpaca_trading_json import rfc3339
from tradingmesh.contract import BrokerSpec, RetrySpec
from tradingmesh.core.errors import BrokerError
from tradingmesh.core.orders.effects import Held
from tradingmesh.runtime.component import WallClock
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.testing.alpaca_server import AlpacaServer, activity, order_json

BROKER = BrokerSpec(retry=RetrySpec(initial=10, max=20))
SINCE_NS = 1_700_000_000_000_000_000


@pytest.fixture
def alpaca(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaServer]:
    monkeypatch.setattr(alpaca_trading, "READ_TIMEOUT_S", 1.0)
    server = AlpacaServer()
    yield server
    server.shutdown()
    server.server_close()


def trading(alpaca: AlpacaServer) -> AlpacaTrading:
    gate = ApiGate(BROKER.api_circuit_breaker, WallClock(), Metrics(), lambda _: None)
    return AlpacaTrading("key", "secret", alpaca.url, gate, BROKER.retry, paper=True, clock=WallClock())


def test_snapshot_has_every_page(alpaca: AlpacaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders and fills over several pages, each once, and what was to be looked up."""
    monkeypatch.setattr(alpaca_snapshot, "ORDERS_PAGE", 3)
    monkeypatch.setattr(alpaca_snapshot, "FILLS_PAGE", 2)
    for number in range(1, 8):
        status = "new" if number % 2 else "filled"
        alpaca.orders[f"c-{number}"] = order_json(f"c-{number}", number, status=status)
    alpaca.orders["old"] = order_json("old", 9, submitted_at="2020-01-02T15:00:00Z", status="canceled")
    for number in range(1, 6):
        alpaca.activities.append(activity(number))
    snapshot = trading(alpaca).snapshot(SINCE_NS, SINCE_NS, ["c-1", "old", "never"])
    assert sorted(update.client_order_id for update in snapshot.orders) == [*(f"c-{n}" for n in range(1, 8)), "old"]
    assert [update.cumulative_quantity for update in snapshot.fills] == [Decimal(n) for n in range(1, 6)]
    assert snapshot.missing == ("never",)
    assert snapshot.broker_ns == 1_704_209_400_500_000_000
    assert alpaca.asked[-1] == "/v2/account/activities/FILL"  # fills after orders: never behind them


def test_first_snapshot_is_the_account_as_it_is(alpaca: AlpacaServer) -> None:
    """Open orders, positions and cash; what happened before our time is not ours."""
    alpaca.orders = {"a": order_json("a", 1), "b": order_json("b", 2, status="filled")}
    alpaca.positions = [
        {"symbol": "IBM", "qty": "-7.5", "side": "short", "current_price": "10.25", "avg_entry_price": "9"},
        {"symbol": "KO", "qty": "3", "side": "long", "current_price": None, "avg_entry_price": "60"},
    ]
    snapshot = trading(alpaca).snapshot(0, 0, [])
    assert [update.client_order_id for update in snapshot.orders] == ["a"]
    assert snapshot.positions == (Held("IBM", Decimal("-7.5"), Decimal("10.25")), Held("KO", Decimal(3), Decimal(60)))
    assert snapshot.cash == Decimal("1000.25")
    assert alpaca.asked[-3:] == ["/v2/positions", "/v2/account", "/v2/account/activities/FILL"]


def test_first_snapshot_needs_a_moment_without_a_fill(alpaca: AlpacaServer) -> None:
    """Otherwise nobody could say whether the positions have that fill in them."""
    alpaca.activities = [activity()]
    with pytest.raises(BrokerError, match="orders fill just now"):
        trading(alpaca).snapshot(0, 0, [])


def test_row_that_cannot_be_read_holds_nothing_else_up(alpaca: AlpacaServer) -> None:
    """It is named with its symbol; the others are there. Of an order that has ended nothing is missed."""
    alpaca.orders = {"a": order_json("a", 1), "b": order_json("b", 2, side="?"), "c": order_json("c", 3, qty="x")}
    alpaca.orders["c"]["status"] = "canceled"
    alpaca.activities = [activity(1), activity(2, symbol="KO", price="x"), activity(3)]
    alpaca.positions = [{"symbol": "BAC", "qty": "many", "side": "long"}]
    snapshot = trading(alpaca).snapshot(SINCE_NS, SINCE_NS, [])
    assert [update.client_order_id for update in snapshot.orders] == ["a"]
    assert [update.cumulative_quantity for update in snapshot.fills] == [1, 3]
    assert [row.symbol for row in snapshot.unreadable] == ["IBM", "IBM", "BAC", "KO"]
    assert "price: 'x' is not a number" in snapshot.unreadable[3].reason


def test_order_named_by_the_brokers_id_is_found(alpaca: AlpacaServer) -> None:
    """Of some a fill only was heard, which tells no client order id."""
    alpaca.orders = {"old": order_json("old", 9, submitted_at="2020-01-02T15:00:00Z", status="canceled")}
    name, unknown = alpaca.orders["old"]["id"], order_json("x", 8)["id"]
    snapshot = trading(alpaca).snapshot(SINCE_NS, SINCE_NS, [name, unknown])
    assert [update.client_order_id for update in snapshot.orders] == ["old"]
    assert snapshot.missing == (unknown,)


def test_fill_is_named_by_its_orders_client_order_id(alpaca: AlpacaServer) -> None:
    """Also where the order was not listed, as one placed meanwhile: asked for once an order, unnamed if it is gone."""
    alpaca.orders = {"listed": order_json("listed", 1)}
    late = order_json("late", 2)["id"]
    alpaca.answers[f"/v2/orders/{late}"] = (200, order_json("late", 2, side="?"))
    alpaca.activities = [activity(n, order_id=order_json("", of)["id"]) for n, of in enumerate((1, 2, 2, 3), start=1)]
    snapshot = trading(alpaca).snapshot(SINCE_NS, SINCE_NS, [])
    assert [fill.client_order_id for fill in snapshot.fills] == ["listed", "late", "late", ""]
    assert alpaca.asked.count(f"/v2/orders/{late}") == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((401, {"message": "unauthorized"}), KeysRefusedError),
        ((200, {"timestamp": "soon"}), BrokerError),
        ((200, ["odd"]), BrokerError),
        ((200, "<html>maintenance</html>"), BrokerError),
    ],
)
def test_snapshot_that_cannot_be_had(alpaca: AlpacaServer, answer: tuple[int, Any], error: type[Exception]) -> None:
    """Whatever comes instead of an answer is one clear error."""
    alpaca.answers["/v2/clock"] = answer
    with pytest.raises(error):
        trading(alpaca).snapshot(1, 1, [])


def test_orders_and_fills_are_asked_for_since_times_of_their_own() -> None:
    """Of fills only those that may be missing: a page has a hundred, and a busy account has that many each second."""
    after: dict[str, str] = {}

    def ask(reader: Callable[[Any], Any], path: str, params: Mapping[str, Any] = MappingProxyType({}), /) -> Any:
        if "after" in params:
            after[path] = params["after"]
        if path == "/clock":
            return SINCE_NS
        return Decimal(0) if path == "/account" else reader([])

    AlpacaSnapshot(ask).take(SINCE_NS, SINCE_NS + 60_000_000_000, ())
    assert after == {"/orders": rfc3339(SINCE_NS), "/account/activities/FILL": rfc3339(SINCE_NS + 60_000_000_000)}
