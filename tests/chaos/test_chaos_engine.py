"""The execution engine that dies, is cut off, or is one of two: the broker's own account is the truth."""

import time
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(120)]
MESH = ("alpaca-simulator", "market-data-feed", "risk-manager", "fill-processor", "signal-generator")
ENGINE = "execution-engine"
KILLS = 12
"""At each of the places."""
CUT_S, CUT_SHORT_S = 60, 3
DIVERGENCE_S = 10.0
DEATHS = ("before-outbox", "after-post", "before-push", "before-post")
"""Between the broker's fill and the outbox, POST and answer, outbox and push, intent and POST."""
_DIES = """
import os, signal
from tradingmesh.adapters import alpaca_trading, outbox_sqlite

def die(place):
    global left
    if place == {place!r}:
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

def commit(self):
    if self.reports_waiting:
        die("before-outbox")
    parcels = real_commit(self)
    if parcels:
        die("before-push")
    return parcels

def request(self, method, url, opts, retry):
    if method == "POST":
        die("before-post")
    answer = real_request(self, method, url, opts, retry)
    if method == "POST":
        die("after-post")
    return answer

left = {times}
real_commit, outbox_sqlite.Outbox.commit = outbox_sqlite.Outbox.commit, commit
real_request, alpaca_trading._Client._one_request = alpaca_trading._Client._one_request, request
"""


def strategies(mesh: Any) -> None:
    """A strategy that trades all the time, so that orders are always on their way somewhere."""
    params = {"fast": 2, "slow": 5, "quantity": 300}
    mesh.spec["fillProcessors"] = {"replicas": 1}
    mesh.spec["broker"]["simulator"]["speed"] = 2
    mesh.spec["strategies"] = [
        {"name": "momentum", "uses": "ema-crossover", "symbols": mesh.spec["symbols"], "params": params}
    ]


def disturb(mesh: Any, symbol: str, quantity: int) -> None:
    """Another client of the account trades: away from flat, as an order may not go through it."""
    held = Decimal(mesh.status("alpaca-simulator").get("positions", {}).get(symbol, "0"))
    side, limit = ("sell", "0.01") if held < 0 else ("buy", "2000")
    order = {"symbol": symbol, "side": side, "qty": str(quantity), "type": "limit", "time_in_force": "day"}
    mesh.broker("POST", "/v2/orders", {**order, "limit_price": limit})


def own_orders(mesh: Any) -> list[dict[str, Any]]:
    """The orders of the mesh's own that the broker ever took."""
    orders: list[dict[str, Any]] = []
    while True:
        after = f"&after_order_id={orders[-1]['id']}" if orders else ""
        page = mesh.broker("GET", f"/v2/orders?status=all&direction=asc&limit=500{after}")
        orders += page
        if len(page) < 500:
            return [order for order in orders if order["client_order_id"].startswith("tm-")]


def assert_each_order_once(mesh: Any) -> None:
    """No signal became two orders, whichever life of the engine sent it."""
    signals = Counter(order["client_order_id"].rpartition("-e")[0] for order in own_orders(mesh))
    assert signals
    assert max(signals.values()) == 1, signals.most_common(3)


def same_positions(mesh: Any) -> bool:
    """Whether the risk manager has what the broker has."""
    held = {one["symbol"]: one["quantity"] for one in mesh.status("risk-manager").get("positions", ())}
    theirs = mesh.status("alpaca-simulator").get("positions", {"unknown": "1"})
    return bool({symbol: quantity for symbol, quantity in held.items() if quantity != "0"} == theirs)


def end_well(mesh: Any) -> None:
    """Nothing is lost or doubled, no order was sent twice, and no reservation is left (one unconfirmed expires)."""
    mesh.stop("signal-generator")
    mesh.settle(60.0)
    mesh.wait(lambda: not mesh.status("risk-manager")["confirmed_reservations"])
    assert mesh.status(ENGINE)["broker"]["differences"] == []
    assert_each_order_once(mesh)
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())


@pytest.mark.timeout(900)
def test_an_engine_that_is_killed_loses_nothing(mesh: Any, full: bool) -> None:  # noqa: FBT001 - a fixture
    """Killed at every place that matters, again and again, while it trades: lost 0, doubled 0, reservations left 0."""
    strategies(mesh)
    mesh.start(*MESH, ENGINE)  # what the account does before the first contact is not the mesh's
    mesh.play()
    mesh.kill(ENGINE)
    for place in DEATHS * KILLS if full else mesh.chance.sample(DEATHS, 2):
        mesh.prelude[ENGINE] = _DIES.format(place=place, times=mesh.chance.randint(1, 20 if full else 3))
        mesh.start(ENGINE, ready=False)
        disturb(mesh, mesh.chance.choice(mesh.spec["symbols"]), 3_000)
        mesh.wait(lambda: not mesh.runs(ENGINE), 60.0)
    del mesh.prelude[ENGINE]
    mesh.start(ENGINE)
    mesh.wait(lambda: own_orders(mesh), 60.0)  # the lives before may have died before their first order
    end_well(mesh)


@pytest.mark.timeout(300)
def test_a_stream_that_is_cut_is_made_good(mesh: Any, full: bool) -> None:  # noqa: FBT001 - a fixture
    """Cut under fills: no order leaves meanwhile; within 10 s of its end the ledger has what the broker has."""
    strategies(mesh)
    mesh.start(*MESH, ENGINE)
    mesh.play()
    mesh.wait(lambda: own_orders(mesh))
    cut_s = CUT_S if full else CUT_SHORT_S
    mesh.broker("PUT", "/simulator/faults", {"inject": [{"where": "trade-updates", "what": "cut", "for": f"{cut_s}s"}]})
    ends_s = time.monotonic() + cut_s
    mesh.wait(lambda: any("order stream" in reason for reason in mesh.reasons(ENGINE)))
    mesh.wait(lambda: not mesh.status(ENGINE)["orders_posting"])
    sent, filled = len(own_orders(mesh)), mesh.executed()

    def go_on() -> bool:
        disturb(mesh, mesh.chance.choice(mesh.spec["symbols"]), 3_000)
        return time.monotonic() > ends_s - 0.3

    mesh.wait(go_on, cut_s + 5)
    assert len(own_orders(mesh)) == sent
    mesh.broker("DELETE", "/v2/orders")
    assert mesh.executed() > filled + 10 * cut_s
    mesh.wait(partial(same_positions, mesh), ends_s - time.monotonic() + DIVERGENCE_S)
    assert mesh.counter(ENGINE, "broker_differences", "kind=missed_fill") > 10 * cut_s
    mesh.wait(lambda: len(own_orders(mesh)) > sent)
    end_well(mesh)
