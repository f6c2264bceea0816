"""Every fault of REST as the unmodified alpaca-py meets it; and `/simulator/faults`, where faults are changed."""

import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from tradingmesh.cli.app import app
from tradingmesh.cli.up_ports import counted_from
from tradingmesh.core.errors import ConfigError, TradingMeshError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # alpaca-py uses websockets' legacy client
    from alpaca.common.exceptions import APIError
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import OrderSide, TimeInForce
    from alpaca.trading.requests import MarketOrderRequest

WAIT_S = 10.0
UPDATES = {"where": "trade-updates"}
REST = {"where": "rest", "requests": "POST /v2/orders"}


@pytest.fixture
def client(broker: Any) -> Iterator[TradingClient]:
    """alpaca-py, which does not wait as long before it tries again."""
    made = TradingClient("key-id", "secret", url_override=f"http://{broker.address}")
    made._retry_wait = 0
    yield made
    made._session.close()


def buy(client: TradingClient, name: str | None = None) -> Any:
    order = MarketOrderRequest(
        symbol="IBM", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id=name
    )
    return client.submit_order(order)


@pytest.mark.parametrize(("code", "text"), [(500, "internal server error"), (502, "<h1>502"), (503, "<h1>503")])
def test_an_error_before_acting_is_told_and_nothing_is_done(
    client: TradingClient, broker: Any, code: int, text: str
) -> None:
    """A 500 is Alpaca's JSON, what a gateway says is a page; the account is untouched."""
    broker.inject(REST | {"what": "error", "code": code})
    with pytest.raises(APIError, match=text) as caught:
        buy(client)
    assert caught.value.status_code == code
    assert (broker.taken, broker.struck) == (0, [1])


def test_an_error_after_acting_leaves_an_order(client: TradingClient, broker: Any) -> None:
    """The trap: alpaca-py repeats a POST on 504. Only the client order id keeps it from being two orders."""
    broker.inject(REST | {"what": "error", "code": 504, "acted": True, "times": 1})
    with pytest.raises(APIError, match="client_order_id must be unique"):
        buy(client, "one")
    assert broker.taken == 1
    assert client.get_order_by_client_id("one").client_order_id == "one"  # type: ignore[union-attr]
    broker.inject(REST | {"what": "error", "code": 504, "times": 1})
    buy(client, "two")
    assert broker.taken == 2


@pytest.mark.parametrize("acted", [False, True])
def test_a_reset_is_a_reset(client: TradingClient, broker: Any, acted: bool) -> None:  # noqa: FBT001 - both ways
    """No answer at all: whether the order is there cannot be told from it. Other requests pass."""
    broker.inject(REST | {"what": "reset", "acted": acted})
    with pytest.raises(requests.ConnectionError, match=r"reset by peer|closed connection without response"):
        buy(client)
    assert broker.taken == acted
    client.get_account()


def test_429_has_alpacas_headers(client: TradingClient, broker: Any) -> None:
    """alpaca-py tries again, three times; others are told when to."""
    broker.inject({**REST, "requests": "* *", "what": "error", "code": 429, "retryAfter": "3s"})
    with pytest.raises(APIError, match="too many requests"):
        client.get_account()
    assert broker.struck == [4]
    answer = requests.get(f"http://{broker.address}/v2/account", timeout=WAIT_S)
    told = {name: int(answer.headers[name]) for name in ("Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset")}
    assert (answer.status_code, told["Retry-After"], told["X-RateLimit-Remaining"]) == (429, 3, 0)
    assert 0 <= told["X-RateLimit-Reset"] - time.time() <= 4


@pytest.mark.parametrize("acted", [False, True])
def test_slow_answers_are_slow_before_or_after(client: TradingClient, broker: Any, acted: bool) -> None:  # noqa: FBT001 - both ways
    """With `acted` the order is there long before its answer."""
    broker.inject(REST | {"what": "delay", "min": "1s", "max": "1s", "acted": acted})
    thread = threading.Thread(target=buy, args=(client,))
    began_s = time.monotonic()
    thread.start()
    broker.wait_for(lambda: broker.taken)
    taken_s = time.monotonic() - began_s
    thread.join(WAIT_S)
    assert time.monotonic() - began_s >= 1
    assert (taken_s < 1) is acted


def test_a_request_under_way_is_acted_on_though_its_client_gave_up(broker: Any) -> None:
    """Who times out and looks the order up does not find it yet: it comes later."""
    broker.inject(REST | {"what": "delay", "min": "1s", "max": "1s"})
    order = {"symbol": "IBM", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    keys = {"APCA-API-KEY-ID": "key-id", "APCA-API-SECRET-KEY": "secret"}
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"http://{broker.address}/v2/orders", json=order, headers=keys, timeout=(WAIT_S, 0.05))
    assert broker.taken == 0
    broker.wait_for(lambda: broker.taken == 1)


def test_faults_are_shown_replaced_and_cleared(broker: Any) -> None:
    """What is shown can be put back as it is; what was counted is a metric too."""
    drop = UPDATES | {"what": "drop", "rate": "0.5"}
    shown = broker.faults("PUT", json={"seed": 3, "inject": [drop]}).json()
    assert shown["struck"] == [0]
    assert shown["inject"][0].items() >= drop.items()
    again = {"seed": shown["seed"], "inject": shown["inject"]}
    assert broker.faults("PUT", json=again).json() == shown == broker.faults().json()
    assert broker.faults("DELETE").json() == {"seed": 3, "inject": [], "struck": []}


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{", 400, "request body format is invalid"),
        ("[]", 422, "faults: a mapping belongs here"),
        ('{"inject": [{"where": "rest"}]}', 422, "faults: inject[0].what: missing"),
        ('{"inject": [], "speed": 1}', 422, "faults: speed: unknown field"),
        (
            '{"inject": [{"where": "rest", "what": "reset", "rate": 0.5}]}',
            422,
            "faults: inject[0].rate: write 0.5 in quotes: a number with a fraction is read exactly only from text",
        ),
    ],
)
def test_what_does_not_fit_is_one_line_and_changes_nothing(broker: Any, body: str, status: int, message: str) -> None:
    """The field is named; the faults in force stay."""
    broker.inject(UPDATES | {"what": "drop"})
    before = broker.faults().json()
    answer = broker.faults("PUT", data=body)
    assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert broker.faults().json() == before


MANIFEST = """
apiVersion: tradingmesh.io/v1alpha1
kind: TradingSystem
metadata: {name: demo}
spec:
  symbols: [IBM]
  broker: {simulator: {faults: {seed: 3, inject: [{where: trade-updates, what: cut, for: 1m}]}}}
"""


def command(*words: str) -> str:
    """What the command says. Raises what it raises."""
    return CliRunner().invoke(app, ["faults", *words], catch_exceptions=False).output


def test_the_command_shows_sets_and_clears(broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`set` takes the faults of a manifest."""
    monkeypatch.setenv("TRADINGMESH_SIMULATOR_PORT", broker.address.rpartition(":")[2])
    manifest = tmp_path / "system.yaml"
    manifest.write_text(MANIFEST)
    assert command("show") == "faults in force: 0, seed 7\n"
    expected = "faults in force: 1, seed 3\n       0 x trade-updates cut: for 1m\n"
    assert command("set", "-f", str(manifest)) == expected == command("show")
    assert command("clear") == "faults in force: 0, seed 3\n"


def test_the_command_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, or no port named: one line."""
    port = next(counted_from(0))
    monkeypatch.setenv("TRADINGMESH_SIMULATOR_PORT", str(port))
    with pytest.raises(TradingMeshError, match=rf"^no answer from a simulator at 127.0.0.1:{port}: does it run\?$"):
        command("show")
    monkeypatch.setenv("TRADINGMESH_SIMULATOR_PORT", "0")
    with pytest.raises(ConfigError, match=r"^TRADINGMESH_SIMULATOR_PORT: "):
        command("clear")
