"""Takes new limits, and a new trading state, from the mounted manifest while the service runs."""

from tradingmesh.contract import TradingSystemSpec
from tradingmesh.core.events import LimitsChanged
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.limit_changes import limit_changes
from tradingmesh.runtime.component import Context


class LimitsDesk:
    """Each change is in force, logged and told of when `take` returns."""

    def __init__(self, context: Context, core: RiskCore) -> None:
        self._context = context
        self._core = core
        self._taken = context.metrics.counter("limits_taken")

    def take(self, spec: TradingSystemSpec, generation: int | None) -> None:
        """Puts the limits of a new manifest in force, where they are others."""
        changes = limit_changes(self._context.manifest.spec, spec)
        if not changes:
            return
        self._core.set_limits(spec.risk_limits, spec.circuit_breaker, spec.trading)
        self._taken.inc()
        self._context.log.warning("limits taken", changes=list(changes), generation=generation)
        self._context.events.emit(LimitsChanged, generation=generation, changes=changes)
