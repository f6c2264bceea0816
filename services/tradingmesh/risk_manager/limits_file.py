"""Takes new limits and trading state from the mounted manifest while the service runs."""

from pathlib import Path

from tradingmesh.core.errors import ConfigError
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.runtime.settings import reread_spec
from tradingmesh.telemetry.logs import Logger

Stamp = tuple[int, int, int]


class LimitsFile:
    """Watches the manifest. One that is wrong changes nothing: the old limits hold, and `problem` says why."""

    def __init__(self, path: Path, core: RiskCore, log: Logger) -> None:
        self._path = path
        self._core = core
        self._log = log
        self._stamp = self._look()
        self.problem = ""
        self.reloads = 0

    def reload_if_changed(self) -> None:
        """Takes the limits of the file, if it is another one than before."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            spec = reread_spec(self._path)
        except ConfigError as error:
            self.problem = str(error)
            self._log.error("limits not taken", error=self.problem)
            return
        self._core.set_limits(spec.risk_limits, spec.circuit_breaker, spec.trading)
        self.problem = ""
        self.reloads += 1
        self._log.warning("limits taken", trading=spec.trading.value)

    def _look(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
