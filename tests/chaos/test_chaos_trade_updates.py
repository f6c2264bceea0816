"""`trade_updates` that loses, doubles, delays and reorders what it tells: what is booked is what the broker did."""

import time
from typing import Any

import pytest

from tradingmesh.adapters.alpaca_pulse import SILENT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(600)]

FULL_FILLS, SHORT_FILLS = 20_000, 600
FULL_OWN_FILLS, SHORT_OWN_FILLS = 3_000, 60
SETTLE_S = 120.0
"""The last word on an order may be the one that is dropped: then only the periodic look at the broker finds it."""
FOUND_WITHIN_S = 2.5
"""Two seconds, and what a machine with other work may take to tell it."""
BROKER_SIDE = ("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")


def _faults(seed: int) -> dict[str, Any]:
    here = {"where": "trade-updates", "rate": "0.1"}
    return {
        "seed": seed,
        "inject": [
            {**here, "what": "drop"},
            {**here, "what": "duplicate"},
            {**here, "what": "delay", "min": "1ms", "max": "50ms"},
            {**here, "what": "reorder", "min": "1ms", "max": "500ms"},
        ],
    }


def _assert_made_good(mesh: Any) -> None:
    mesh.settle(SETTLE_S)
    struck = mesh.broker("GET", "/simulator/faults")["struck"]
    assert all(struck), struck
    assert mesh.audit().differences == ()


def test_an_unreliable_stream_is_made_good(mesh: Any, seed: int, full: bool) -> None:  # noqa: FBT001 - a fixture
    """A tenth each is dropped, doubled, delayed, reordered under fills: lost 0, doubled 0, cash and positions exact."""
    mesh.spec["broker"]["simulator"]["faults"] = _faults(seed)
    mesh.start(*BROKER_SIDE)
    mesh.play()
    mesh.trade(FULL_FILLS if full else SHORT_FILLS)
    _assert_made_good(mesh)


def test_the_meshs_own_orders_survive_it_too(mesh: Any, seed: int, full: bool) -> None:  # noqa: FBT001 - a fixture
    """Orders of a strategy, approved and reserved: the same, and no reservation is left when all is over."""
    mesh.spec["broker"]["simulator"] |= {"faults": _faults(seed), "speed": 4}
    params = {"fast": 2, "slow": 5, "quantity": 700}
    mesh.spec["strategies"] = [
        {"name": "momentum", "uses": "ema-crossover", "symbols": mesh.spec["symbols"], "params": params}
    ]
    mesh.start(*BROKER_SIDE, "market-data-feed", "signal-generator")
    mesh.play()
    wanted = FULL_OWN_FILLS if full else SHORT_OWN_FILLS
    mesh.wait(lambda: mesh.executed() >= wanted, 400.0)
    mesh.stop("signal-generator")
    mesh.wait(lambda: not mesh.status("risk-manager")["working_reservations"], SETTLE_S)
    _assert_made_good(mesh)


def _mute_is_found_after_s(mesh: Any) -> float:
    """How long until the engine is not ready for it; then the stream speaks again."""
    mute = {"where": "trade-updates", "what": "mute", "answersPings": False}
    mesh.broker("PUT", "/simulator/faults", {"inject": [mute]})
    began_s = time.monotonic()
    mesh.wait(lambda: any(SILENT in reason for reason in mesh.reasons("execution-engine")))
    took_s = time.monotonic() - began_s
    mesh.trade(20)
    mesh.broker("PUT", "/simulator/faults", {"inject": []})
    mesh.wait(lambda: mesh.ready("execution-engine"))
    return took_s


def test_a_mute_stream_is_found_in_time(mesh: Any) -> None:
    """No message, no answer to a ping, no end: the engine lets no order out; what was missed is booked afterwards."""
    mesh.start(*BROKER_SIDE)
    mesh.play()
    mesh.trade(20)
    took_s: list[float] = []  # the best of three counts: what is asked of a machine that stands still is answered late
    while len(took_s) < 3 and min(took_s, default=FOUND_WITHIN_S) >= FOUND_WITHIN_S:
        took_s.append(_mute_is_found_after_s(mesh))
    assert min(took_s) < FOUND_WITHIN_S, took_s
    mesh.settle(SETTLE_S)
    assert mesh.audit().differences == ()
