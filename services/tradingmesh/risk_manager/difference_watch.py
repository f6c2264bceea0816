"""Tells where the ledger is not what the broker has, or holds what nobody quotes: gauges, and an event for each."""

from tradingmesh.core.events import ComponentError
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.runtime.component import Context

LOOK_EVERY_S = 0.5


class DifferenceWatch:
    """What is refused meanwhile is the core's decision; here a person is told."""

    def __init__(self, context: Context, core: RiskCore) -> None:
        self._context = context
        self._core = core
        self._told: dict[tuple[str, str], str] = {}
        self._unquoted = 0
        context.metrics.gauge("ledger_differing", lambda: len(self._told) - self._unquoted)
        context.metrics.gauge("ledger_unquoted", lambda: self._unquoted)
        context.loop.every(LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        state, before = self._core.state, self._told
        unquoted = state.unquoted()
        self._told = {("differs", symbol): sentence for symbol, sentence in state.differences.told()} | {
            ("unquoted", symbol): f"{symbol} is held, and nobody quotes it: name it in spec.symbols, or close it"
            for symbol in unquoted
        }
        self._unquoted = len(unquoted)
        for key in self._told.keys() - before.keys():
            error = self._told[key]
            self._context.log.error("attention", error=error)
            self._context.events.emit(ComponentError, instance=self._context.settings.instance, error=error)
        for key in before.keys() - self._told.keys():
            self._context.log.warning("that is over", error=before[key])
