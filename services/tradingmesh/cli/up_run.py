"""One run of a mesh: started, played, drained, ended, judged."""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from tradingmesh.cli.supervisor import Child, Supervisor
from tradingmesh.cli.up_audit import Account, Audit, audit
from tradingmesh.cli.up_evidence import broker_account, component_report, read_account
from tradingmesh.cli.up_figures import Figures, awaited, figures_of, moved
from tradingmesh.cli.up_plan import SOURCES, STOP_ORDER, Process, RunPlace, environment
from tradingmesh.cli.up_report import Evidence
from tradingmesh.cli.up_screen import Screen
from tradingmesh.cli.up_start import Starter
from tradingmesh.cli.up_watch import Watch, fetch
from tradingmesh.contract import Component, Mode, TradingSystem
from tradingmesh.core.errors import TradingMeshError
from tradingmesh.runtime.journal_place import journal_place
from tradingmesh.runtime.settings import Settings

LOOK_EVERY_S = 0.35
DRAIN_WITHIN_S = 15.0
QUIET_FOR_S = 1.2
"""The processes tell figures that are up to half a second old: quiet for longer than that is quiet."""
STOP_WITHIN_S = 10.0
_ALL = (tuple(Component),)


class Run:
    """The processes of a system, from their start to their judgement. `interrupt` may be called by a signal handler."""

    def __init__(
        self,
        system: TradingSystem,
        settings: Settings,
        place: RunPlace,
        planned: Sequence[Process],
        simulator_port: int,
        screen: Screen,
    ) -> None:
        self._system = system
        self._place = place
        self._journal = journal_place(system.spec, settings, place.data_dir / Component.RISK_MANAGER)
        self._simulator_port = simulator_port if system.spec.mode is Mode.SIMULATED else None
        self._screen = screen
        self._supervisor = Supervisor(
            planned, lambda process: environment(process, place, settings, simulator_port), place.folder, screen.say
        )
        self._watch = Watch(planned)
        self._problems: list[str] = []
        self._interrupts = 0
        self._began_s = time.monotonic()
        self._figures = Figures()

    @property
    def children(self) -> list[Child]:
        """The processes."""
        return list(self._supervisor.children.values())

    def interrupt(self) -> None:
        """Ends what is going on: the first time the playing, the second time the draining as well."""
        self._interrupts += 1

    def start(self) -> bool:
        """Starts everything; False when interrupted meanwhile. Raises as `Starter.run`."""
        starter = Starter(self._supervisor, self._screen.say, lambda: self._interrupts > 0)
        if not starter.run():
            return False
        starter.wait_joined(self._system.spec)
        return self._interrupts == 0

    def play(self, duration_s: float | None) -> None:
        """Lets the tape play to its end, for `duration_s`, until interrupted, or until a process is lost for good."""
        self._command("start")
        self._began_s = time.monotonic()
        while not (self._figures.tape_done or self._interrupts or self._supervisor.lost()):
            if duration_s is not None and time.monotonic() - self._began_s >= duration_s:
                break
            self._look()
        self._problems += [f"{child.process.instance}: lost: {child.last_words()}" for child in self._supervisor.lost()]

    def drain(self) -> None:
        """Lets no more ticks come and waits until nothing is on its way, for at most `DRAIN_WITHIN_S`."""
        if self._simulator_port:
            self._command("stop")
        else:
            self._supervisor.stop([SOURCES], bound_s=STOP_WITHIN_S)
        self._screen.say("draining: no more ticks; waiting for what is on its way")
        began_s = quiet_since_s = time.monotonic()
        while not self._supervisor.lost() and self._interrupts < 2:
            before = self._figures
            self._look()
            left = awaited(self._figures, simulated=self._simulator_port is not None)
            if moved(before, self._figures):
                left.append("the figures to stand still")
            if left:
                quiet_since_s = time.monotonic()
            if time.monotonic() - quiet_since_s >= QUIET_FOR_S:
                return
            if time.monotonic() - began_s >= DRAIN_WITHIN_S:
                self._problems.append(f"after {DRAIN_WITHIN_S:.0f} s still waiting for {', '.join(left)}")
                return

    def stop(self) -> Evidence:
        """Ends the processes in order, the broker last, and gathers what the run left behind."""
        self._supervisor.stop(STOP_ORDER[:-1], bound_s=STOP_WITHIN_S)
        state = fetch(self._simulator_port, "/simulator/state") if self._simulator_port else None
        self._supervisor.stop(STOP_ORDER[-1:], bound_s=STOP_WITHIN_S)
        ledger, broker, found = self._accounts(state)
        return Evidence(
            run=self._about(),
            figures=self._figures,
            components={child.process.instance: component_report(child) for child in self.children},
            ledger=ledger,
            broker=broker,
            audit=found,
            lossless=self._system.spec.broker.simulator.speed == "max" and broker is not None,
            problems=tuple(self._problems),
        )

    def close(self) -> None:
        """Whatever happened: no process of the run outlives it."""
        self._supervisor.stop(_ALL, bound_s=STOP_WITHIN_S)
        self._watch.close()

    def _look(self) -> None:
        began_s = time.monotonic()
        self._supervisor.look_after()
        self._watch.look()
        self._figures = figures_of(self._watch.pictures.values())
        self._screen.show(self._figures)
        time.sleep(max(0.0, LOOK_EVERY_S - (time.monotonic() - began_s)))

    def _command(self, word: str) -> None:
        if self._simulator_port and fetch(self._simulator_port, f"/simulator/{word}", method="POST") is None:
            self._problems.append(f"the simulator did not take the command to {word}")

    def _accounts(self, state: dict[str, Any] | None) -> tuple[Account, Account | None, Audit]:
        cash = self._system.spec.broker.simulator.cash if self._simulator_port else Decimal(0)
        try:
            ledger, aside = read_account(self._journal, cash)
        except TradingMeshError as error:
            ledger, aside = Account(cash, {}, ()), (str(error),)
        self._problems += aside
        if not self._simulator_port:
            return ledger, None, audit(ledger, ledger)
        if state is None:
            self._problems.append("the simulator is gone, and the broker's account with it")
            return ledger, None, audit(ledger, ledger)
        broker = broker_account(state)
        return ledger, broker, audit(broker, ledger)

    def _about(self) -> dict[str, Any]:
        spec = self._system.spec
        return {
            "system": self._system.metadata.name,
            "mode": spec.mode.value,
            "symbols": spec.symbols,
            "tape": spec.broker.simulator.tape if self._simulator_port else None,
            "speed": str(spec.broker.simulator.speed) if self._simulator_port else None,
            "tape_events": self._figures.tape_published,
            "tape_length": self._figures.tape_total,
            "played_s": round(time.monotonic() - self._began_s, 1),
            "folder": str(self._place.folder),
        }
