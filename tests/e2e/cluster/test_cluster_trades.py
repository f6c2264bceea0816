"""`helm install`, `kubectl apply`, and it trades: the ledger is the broker's account."""

import json
import re
import time
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
import requests

from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Figures, Made
from tests.e2e.cluster.forwarding import forwarded
from tests.e2e.cluster.trading import SAMPLE, Trading, columns

READY_WITHIN_S = 120.0
ANSWERS_WITHIN_S = 20.0
PAGE = "svc/simulated-metrics-collector", 8080
"""What the README forwards."""


@pytest.fixture(scope="module")
def sample(made: Made) -> Trading:
    """The simulated sample as it is, not applied yet."""
    return made("simulated")


def test_the_sample_is_ready(sample: Trading, figures: Figures) -> None:
    """In two minutes, from the file of the README. A chart with a wrong command or image never gets there."""
    began_s = time.monotonic()
    assert "created" in sample.kubectl("apply", "-f", str(SAMPLE))
    sample.wait_for("Ready", READY_WITHIN_S)
    figures.note("ready_s", time.monotonic() - began_s)
    (row,) = columns(sample.kubectl("get", "tsys"))
    assert (row["MODE"], row["TRADING"], row["BREAKER"], row["READY"]) == ("simulated", "Active", "Closed", "True")


def test_every_component_runs(sample: Trading) -> None:
    """Nine programs in ten pods, each ready, none restarted."""
    pods = sample.pods()
    assert len(pods) == 10
    assert [name for name, pod in pods.items() if not pod.ready or pod.restarts] == []


def test_it_trades_and_the_books_agree(sample: Trading, figures: Figures) -> None:
    """Fills are made; cash and positions of the ledger are the broker's account to the last digit.

    A fill that is dropped on its way to the risk manager leaves them unequal for good.
    """
    began_s = time.monotonic()
    until(lambda: sample.fills() >= 5, "five fills", 180)
    figures.note("five_fills_s", time.monotonic() - began_s)
    books = sample.settle()
    figures.note("fills", books.fills)
    assert books.cash != Decimal(1_000_000)


def test_conditions_say_so(sample: Trading) -> None:
    """Everything in order, at the generation that was applied."""
    conditions = {name: one["status"] for name, one in sample.conditions().items()}
    assert conditions == {
        "Ready": "True",
        "Reconciled": "True",
        "ConfigInSync": "True",
        "BrokerInSync": "True",
        "TradingHalted": "False",
        "Degraded": "False",
    }


def test_commands_work_from_inside(sample: Trading) -> None:
    """`kubectl exec ... tradingmesh status`, as the README has it."""
    told = sample.kubectl("exec", "simulated-risk-manager-0", "--", "tradingmesh", "status")
    assert "trading   Active" in told
    assert "breaker   Closed" in told


def test_the_live_page_is_forwarded(sample: Trading) -> None:
    """By the command of the README: the page, all that it refers to, and in its events the ledger's cash.

    With the Service's port left out nothing is forwarded. (Seen with a Service that was patched.)
    """
    with forwarded(sample, *PAGE) as url:
        needed = re.findall(r'(?:href|src)="([^"]+)"', _get(url))
        assert "page.js" in needed
        assert [name for name in needed if ":" in name] == []
        assert all(_get(f"{url}/{name}") for name in needed)
        told = until(lambda: _section(url, "ledger")["ledger"], "a ledger on the page", 30)
        assert {row["symbol"] for row in told["positions"]} <= set(sample.spec["symbols"])
        until(partial(_shows_cash, url, sample), "its cash", 60)


def _shows_cash(url: str, system: Trading) -> bool:
    shown: str = _section(url, "ledger")["ledger"]["cash"]
    return shown == system.status("risk-manager").get("cash")


def _get(url: str) -> str:
    answer = requests.get(url, timeout=ANSWERS_WITHIN_S)
    answer.raise_for_status()
    return answer.text


def _section(url: str, name: str) -> Any:
    """What the newest server-sent events say of one section of the page."""
    with requests.get(f"{url}/events", stream=True, timeout=ANSWERS_WITHIN_S) as events:
        lines = events.iter_lines()
        for line in lines:
            if line.decode() == f"event: {name}":
                return json.loads(next(lines).decode().removeprefix("data: "))
    raise AssertionError(f"the page told no {name}")
