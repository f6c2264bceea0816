"""The mounted manifest while a component runs: what of it is in force, and since which generation.

See docs/decisions/0087-a-generation-is-acknowledged-by-who-runs-it.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradingmesh.contract import HOT_PARTS, Component, TradingSystemSpec, parts_of
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import load_manifest
from tradingmesh.telemetry.logs import Logger
from tradingmesh.telemetry.metrics import Metrics

LOOK_EVERY_S = 0.25

Stamp = tuple[int, int, int]
Take = Callable[[TradingSystemSpec, int | None], None]


class ManifestFile:
    """Looks at the file, and acknowledges a generation once the component runs with all that it uses of it.

    A manifest that is wrong changes nothing, and `problem` says why. One with another value of a part that is read at
    the start only is not acknowledged either: `pending` has the parts, and a restart puts them in force. What is hot is
    taken all the same. `spec` is replaced as a whole, so another thread may read it.
    """

    def __init__(
        self,
        path: Path,
        component: Component,
        spec: TradingSystemSpec,
        generation: int | None,
        metrics: Metrics,
        log: Logger,
    ) -> None:
        self.spec = spec
        self.generation = generation
        self.observed_generation = generation
        self.pending: tuple[str, ...] = ()
        self.problem = ""
        self._path = path
        self._log = log
        self._take: Take = lambda *_: None
        self._parts = parts_of(component)
        self._started = _values(spec, self._parts)
        self._stamp = self._look()
        self._refused = metrics.counter("manifests_refused")
        metrics.gauge("manifest_generation", lambda: self.generation or 0)

    def takes(self, take: Take) -> None:
        """From now on `take` is handed each new manifest: who can change while it runs, does."""
        self._take = take

    def look(self) -> None:
        """Reads the file, if it is another one than before; one that is replaced meanwhile, again next time."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            system = load_manifest(self._path)
        except ConfigError as error:
            self.problem = str(error)
            self._refused.inc()
            self._log.error("manifest not taken", error=self.problem)
            return
        self._put_in_force(system.spec, system.metadata.generation)

    def told(self) -> dict[str, Any]:
        """What `/configz` says of it."""
        return {
            "generation": self.generation,
            "observedGeneration": self.observed_generation,
            "pending": list(self.pending),
            "problem": self.problem,
            "spec": self.spec.model_dump(mode="json", by_alias=True),
        }

    def _put_in_force(self, spec: TradingSystemSpec, generation: int | None) -> None:
        now = _values(spec, self._parts)
        self.pending = tuple(part for part in self._parts if now[part] != self._started[part])
        self.problem = ""
        self._take(spec, generation)
        self.spec = self.spec.model_copy(update=_hot(spec)) if self.pending else spec
        self.observed_generation = generation
        if self.pending:
            self._log.warning("a restart is needed", parts=list(self.pending), generation=generation)
        else:
            self.generation = generation

    def _look(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size


def _values(spec: TradingSystemSpec, parts: tuple[str, ...]) -> dict[str, Any]:
    dump = spec.model_dump(mode="json", by_alias=True)
    found = {}
    for part in parts:
        at: Any = dump
        for word in part.split("."):
            at = at[word]
        found[part] = at
    return found


def _hot(spec: TradingSystemSpec) -> dict[str, Any]:
    names = {field.alias: name for name, field in type(spec).model_fields.items()}
    return {names[part]: getattr(spec, names[part]) for part in HOT_PARTS}
