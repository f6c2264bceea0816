"""Tells where the ledger is not what the broker has: a gauge, and once for each an event and a line in the log."""

from tradingmesh.core.events import ComponentError
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.runtime.component import Context

LOOK_EVERY_S = 0.5


class DifferenceWatch:
    """What is refused meanwhile is the core's decision; here a person is told."""

    def __init__(self, context: Context, core: RiskCore) -> None:
        self._context = context
        self._core = core
        self._told: dict[str, str] = {}
        context.metrics.gauge("ledger_differing", lambda: len(self._told))
        context.loop.every(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        before, self._told = self._told, dict(self._core.state.differences.told())
        for symbol in self._told.keys() - before.keys():
            error = self._told[symbol]
            self._context.log.error("the ledger differs", error=error)
            self._context.events.emit(ComponentError, instance=self._context.settings.instance, error=error)
        for symbol in before.keys() - self._told.keys():
            self._context.log.warning("the ledger agrees with the broker again", symbol=symbol)
