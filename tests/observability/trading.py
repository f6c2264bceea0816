"""A mesh that trades by itself: the processes of the tests of chaos, and a strategy that changes its mind often."""

from collections.abc import Callable

import yaml

from tests.chaos.conftest import Mesh
from tests.observability.program import WAIT_S
from tradingmesh.contract import Component

SYSTEM = "chaos"
"""What the tests of chaos call their system."""


class TradingMesh(Mesh):
    """All components, with what else these tests ask of them."""

    def begin(self) -> None:
        """Starts everything, and returns once a fill is booked."""
        self.spec["strategies"] = [
            {
                "name": "momentum",
                "uses": "ema-crossover",
                "symbols": self.spec["symbols"],
                "params": {"fast": 2, "slow": 5, "quantity": 10},
            }
        ]
        self.start(Component.ALPACA_SIMULATOR)
        self.start(*(component for component in Component if component is not Component.ALPACA_SIMULATOR))
        self.play()
        self.wait(lambda: self.booked() > 0)

    def wait(self, condition: Callable[[], object], deadline_s: float = WAIT_S) -> None:
        """As there, with more time: all ten processes begin at once."""
        super().wait(condition, deadline_s)

    def admin_ports(self) -> list[int]:
        """Where each process shows its metrics."""
        return [self.port_of(name) for component in Component for name in self.instances(component)]

    def limit(self, **limits: str) -> None:
        """Other risk limits, in the mounted manifest: what runs takes them."""
        self.spec["riskLimits"].update(limits)
        system = yaml.safe_load(self.system_file.read_text())
        fresh = self.system_file.with_suffix(".fresh")
        fresh.write_text(yaml.safe_dump({**system, "spec": self.spec}))
        fresh.replace(self.system_file)
