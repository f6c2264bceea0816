"""What a run leaves behind: the broker's account, the risk manager's journal, and how each process fared."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from tradingmesh.adapters.journals import FILE, Place, read_journal
from tradingmesh.cli.supervisor import Child
from tradingmesh.cli.up_audit import Account, Execution, ledger_account
from tradingmesh.cli.up_report import ComponentReport
from tradingmesh.contract import Component
from tradingmesh.core.journal.chain import Kind
from tradingmesh.core.risk.records import decode
from tradingmesh.core.signal import Side

JOURNAL = Path(Component.RISK_MANAGER) / FILE
"""In the data folder of a run."""


def read_account(place: Place, cash: Decimal) -> tuple[Account, tuple[str, ...]]:
    """The ledger's account by the journal, and what was set aside. Raises `JournalError` where it is damaged."""
    with read_journal(place) as journal:
        records = (decode(entry.record) for entry in journal.entries() if entry.kind == Kind.RECORD)
        return ledger_account(records, cash)


def broker_account(state: Mapping[str, Any]) -> Account:
    """The account in the simulator's `/simulator/state`."""
    return Account(
        Decimal(state["cash"]),
        {symbol: Decimal(quantity) for symbol, quantity in state["positions"].items()},
        tuple((fill["execution_id"], _execution(fill)) for fill in state["fills"]),
    )


def component_report(child: Child) -> ComponentReport:
    """How a process fared."""
    ready_s = None if child.ready_s is None else round(child.ready_s, 2)
    return ComponentReport(round(child.rss_peak_mb, 1), ready_s, child.restarts, child.exit_code)


def _execution(fill: Mapping[str, str]) -> Execution:
    return Execution(fill["symbol"], Side(fill["side"]), Decimal(fill["qty"]), Decimal(fill["price"]))
