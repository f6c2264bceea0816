"""Replays the text scenarios in `risk/`: commands, a line of dashes, and what came of them.

To write the outcomes anew after a change meant to change them: `TRADINGMESH_REWRITE=1 pytest tests/scenarios`.
"""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from tradingmesh.contract import CircuitBreakerSpec, TradingState
from tradingmesh.core.checks import Approved, Decision
from tradingmesh.core.errors import InputError
from tradingmesh.core.fills import BookedReport, Position, ReportAnswer, ReportSetAside
from tradingmesh.core.money import plain
from tradingmesh.core.risk.breaker import BreakerMoved
from tradingmesh.core.risk.records import DayStarted, Expired, FlattenEnded
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.risk.trading_status import trading_status
from tradingmesh.core.signal import Side, Signal
from tradingmesh.testing.risk_desk import GENEROUS, RiskDesk, limits

FOLDER = Path(__file__).parent / "risk"
DASHES = "----"
_STATES = {"halt": TradingState.HALTED, "reduce": TradingState.REDUCING, "resume": TradingState.ACTIVE}


class Stage:
    """A desk with the signals and unsent reports of one scenario. Each command is a method of its name."""

    def __init__(self) -> None:
        self.desk = RiskDesk()
        self.signals: dict[str, Signal] = {}
        self.held: dict[str, BookedReport] = {}

    def play(self, line: str) -> list[str]:
        """Does what the line says; returns what came of it, and what the core did by itself."""
        name, *words = line.split()
        said: list[str] = getattr(self, f"do_{name.replace('-', '_')}")(*words) or []
        seen = len(self.desk.records)
        for record in self.desk.keep_records()[seen:]:
            if isinstance(record, Expired):
                said.append(f"{record.reservation_id} expired")
            elif isinstance(record, DayStarted):
                said.append(f"a day began with {plain(record.equity)}")
            elif isinstance(record, FlattenEnded):
                said.append(f"flatten {self.desk.core.state.flatten.number} is over: {record.outcome}")
            elif isinstance(record, BreakerMoved):
                said.append(f"breaker {record.state.value}: {record.reason}")
        return said

    def do_limits(self, *changes: str) -> None:
        """The manifest's limits, the others being the sample's: `limits max_order_quantity=100`."""
        given = dict(change.split("=") for change in changes)
        unset = {name: None if value == "unset" else Decimal(value) for name, value in given.items()}
        self.desk.core.set_limits(limits(**GENEROUS | unset), CircuitBreakerSpec(), TradingState.ACTIVE)

    def do_quote(self, symbol: str, bid: str, ask: str) -> None:
        self.desk.quote(symbol, bid, ask)

    def do_wait(self, seconds: str) -> None:
        self.desk.wait(Decimal(seconds))

    def do_signal(self, name: str, side: str, quantity: str, symbol: str, limit: str | None = None) -> list[str]:
        self.signals[name] = self.desk.signal(name, Side(side), quantity, symbol, limit)
        return [_told(self.desk.ask(self.signals[name]))]

    def do_confirm(self, name: str, by: str = "") -> list[str]:
        return [_told(self.desk.confirm(self.signals[name], by))]

    def do_fill(self, name: str, quantity: str, price: str, commission: str = "0") -> list[str]:
        return self._apply(self.desk.filled(self.signals[name], quantity, price, commission))

    def do_close(self, name: str, status: str, by: str = "") -> list[str]:
        return self._apply(self.desk.closed(self.signals[name], status, by))

    def do_hold_fill(self, label: str, name: str, quantity: str, price: str) -> None:
        """The fill takes its place in the sequence, but its report is still on its way: `deliver` brings it."""
        self.held[label] = self.desk.filled(self.signals[name], quantity, price)

    def do_deliver(self, label: str) -> list[str]:
        return self._apply(self.held[label])

    def do_adopt(self, side: str, quantity: str, symbol: str, price: str) -> None:
        """A fill of an order that was placed elsewhere."""
        (self.desk.buy if side == "buy" else self.desk.sell)(symbol, quantity, price)

    def do_switch(self, command: str) -> None:
        self.desk.core.set_switch(_STATES[command])

    def do_set_clock(self, seconds: str) -> None:
        """The wall clock is set, while no time goes by."""
        self.desk.set_clock(Decimal(seconds))

    def do_flatten(self, symbol: str = "") -> list[str]:
        try:
            self.desk.core.flatten(symbol)
        except InputError as error:
            return [str(error)]
        return []

    def do_closing_orders(self) -> list[str]:
        """Those that are due now: each is known by its signal's id from here on, as if a strategy had given it."""
        given = self.desk.core.closing_orders(self.desk.now_ns, self.desk.monotonic_ns)
        self.signals.update({approved.signal.signal_id: approved.signal for approved in given})
        told = [
            f"{approved.signal.signal_id}: {approved.signal.side.value} {plain(approved.signal.quantity)} "
            f"{approved.signal.symbol}"
            for approved in given
        ]
        held_up = self.desk.core.state.flatten.held_up
        return told + [f"{symbol} {reason}" for symbol, reason in sorted(held_up.items())]

    def do_withdrawn(self) -> list[str]:
        """What the mesh is told: which orders must go, and why no other may."""
        status = trading_status(self.desk.core.state)
        return [
            " ".join([status.withdraw.value, *status.reservation_ids]),
            *([status.refused] if status.refused else []),
        ]

    def do_reset_breaker(self) -> list[str]:
        try:
            self.desk.core.reset_breaker(self.desk.now_ns)
        except InputError as error:
            return [str(error)]
        return []

    def do_restart(self) -> None:
        self.desk.core = self.desk.restarted()

    def do_show(self) -> list[str]:
        status = status_of(self.desk.core.state)
        sums = (
            f"cash {status.cash}, equity {status.equity}, day {status.day_profit}, gross {status.gross_notional}, "
            f"{status.working_reservations} reserved ({status.confirmed_reservations} confirmed)"
        )
        positions = [
            f"{each.symbol} {each.quantity} cost {each.cost} mark {each.mark} realised {each.realised} "
            f"unrealised {each.unrealised} working +{each.working_buys} -{each.working_sells}"
            for each in status.positions
        ]
        return [sums, *positions]

    def _apply(self, booked: BookedReport) -> list[str]:
        return [_answered(answer) for answer in self.desk.apply(booked)] or ["waits"]


def _told(decision: Decision) -> str:
    return f"approved {decision.reservation_id}" if isinstance(decision, Approved) else f"refused {decision.reason}"


def _answered(answer: ReportAnswer) -> str:
    place = f"{answer.symbol} #{answer.symbol_sequence}"
    if isinstance(answer, ReportSetAside):
        return f"{place} set aside: {answer.reason}"
    again = " again" if answer.duplicate else ""
    return f"{place} applied{again}: {_held(answer.before)} -> {_held(answer.after)}, cash {plain(answer.cash)}"


def _held(position: Position) -> str:
    return f"{plain(position.quantity)} for {plain(position.cost)}"


def _replayed(text: str) -> str:
    stage, blocks = Stage(), []
    for block in text.strip().split("\n\n"):
        commands = block.split(f"\n{DASHES}", maxsplit=1)[0]
        lines = [line for line in commands.splitlines() if not line.startswith("#")]
        outcome = [said for line in lines for said in stage.play(line)]
        blocks.append("\n".join([commands, DASHES, *outcome] if lines else [commands]))
    return "\n\n".join(blocks) + "\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """The scenario comes out as it is written."""
    text = path.read_text(encoding="utf-8")
    replayed = _replayed(text)
    if os.environ.get("TRADINGMESH_REWRITE"):
        path.write_text(replayed, encoding="utf-8")
    else:
        assert replayed == text


def test_there_are_scenarios() -> None:
    """An empty folder would prove nothing."""
    assert len(list(FOLDER.glob("*.txt"))) >= 8
