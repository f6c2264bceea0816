"""A fill that none can read, and a ledger that is lost: what must go on goes on, and what is kept is enough."""

import shutil
from typing import Any

import pytest

from tradingmesh.adapters.journals import Place as JournalPlace
from tradingmesh.cli.up_audit import audit
from tradingmesh.cli.up_evidence import JOURNAL, broker_account, read_account
from tradingmesh.execution_engine.lane import WINDOW

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]
POISONED = 20
_POISON = f"""
from tradingmesh.adapters import outbox_sqlite
_row = outbox_sqlite._Row
_seen = []
def poisoned(*fields):
    row = _row(*fields)
    _seen.append(row)
    if len(_seen) != {POISONED}:
        return row
    body = bytes([0xC1]) + row.body
    return row._replace(body=body, checksum=outbox_sqlite.crc32(body))
outbox_sqlite._Row = poisoned
"""
"""MessagePack never uses the byte 0xC1. The checksum fits, as it would where a program writes what it cannot read."""


def test_an_unreadable_fill_is_set_aside_and_the_others_go_on(mesh: Any) -> None:
    """One is not in the ledger, and three places say so; all others are booked, its symbol's too."""
    mesh.prelude["execution-engine"] = _POISON
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor", "metrics-collector")
    mesh.play()
    mesh.trade(200)
    mesh.broker("DELETE", "/v2/orders")
    mesh.wait(lambda: mesh.status("execution-engine").get("backlog") == 0)
    mesh.wait(lambda: mesh.status("risk-manager").get("reports_kept") == 1)
    mesh.wait(lambda: mesh.booked() >= mesh.executed() - 1)
    assert mesh.counter("risk-manager", "reports_set_aside") == 1
    assert "set aside: unreadable" in mesh.log("risk-manager", 10**6)
    state = mesh.state()
    mesh.kill("risk-manager")
    ledger, aside = read_account(JournalPlace(mesh.data_dir / JOURNAL), mesh.cash)
    (sentence,) = aside
    assert "set aside: unreadable: REPORT: " in sentence
    found = audit(broker_account(state), ledger)
    assert (found.lost, found.doubled) in ((1, 0), (0, 0))  # it may have been the end of an order


@pytest.mark.parametrize("unacknowledged", [0, WINDOW + 200], ids=["alone", "with a backlog"])
def test_a_lost_ledger_comes_back_from_the_outbox(mesh: Any, unacknowledged: int) -> None:
    """The risk manager's disk is gone: it asks for all that it had acknowledged, also where nothing new happens.

    And also where more has happened meanwhile than may be outstanding: nothing of that can be taken before the rest.
    """
    mesh.prelude["execution-engine"] = "from tradingmesh.execution_engine import delivery; delivery.LAST_AGAIN_S = 1.0"
    mesh.start("alpaca-simulator", "risk-manager", "execution-engine", "fill-processor")
    mesh.play()
    mesh.trade(300)
    mesh.settle()
    mesh.kill("risk-manager")
    if unacknowledged:
        mesh.trade(unacknowledged)
        mesh.wait(lambda: mesh.status("execution-engine").get("backlog", 0) >= unacknowledged)
    shutil.rmtree(mesh.data_dir / "risk-manager")
    mesh.start("risk-manager", ready=False)
    mesh.wait(lambda: mesh.booked() >= mesh.executed(), 60)
    mesh.settle()
    assert mesh.counter("execution-engine", "reports_wanted") > 0
    found = mesh.audit()
    assert (found.lost, found.doubled, found.differences) == (0, 0, ())
