"""Renders the umbrella chart with helm, once a system and values."""

import asyncio
import hashlib
import json
import subprocess
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tradingmesh_operator.errors import RenderError
from tradingmesh_operator.objects import Key, Kind, Manifest, digest, reference

KEPT_MAX = 2_000
"""So many systems' manifests are kept, some 7 kB each; beyond that the one unused for longest is rendered anew."""
_MESSAGE_MAX = 800


class Renderer:
    """Manifests of values. Deterministic: equal values and charts give equal manifests, in the same order."""

    def __init__(
        self, helm: str, chart: Path, *, timeout_s: float, at_once: int, runs: Callable[[], None] = lambda: None
    ) -> None:
        """`runs` is called each time helm is run."""
        self._helm = helm
        self._chart = chart
        self._chart_digest = chart_digest(chart)
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(at_once)
        self._runs = runs
        self._kept: OrderedDict[Key, tuple[str, bytes]] = OrderedDict()

    async def render(self, key: Key, values: dict[str, Any], kinds: tuple[Kind, ...] = ()) -> list[Manifest]:
        """What the chart makes of the values, where the cluster has these kinds beside its own.

        Raises `RenderError` with helm's own words. Kept is the newest of each system: the ones before never come again.
        """
        asked = digest([self._chart_digest, values, kinds])
        of, kept = self._kept.get(key, ("", b""))
        if of != asked:
            async with self._slots:
                self._runs()
                manifests = await asyncio.to_thread(self._run, key, values, kinds)
            kept = zlib.compress(json.dumps(manifests).encode())
            self._kept[key] = asked, kept
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        found: list[Manifest] = json.loads(zlib.decompress(kept))
        return found

    def forget(self, key: Key) -> None:
        """Drops what was kept of a system that is gone."""
        self._kept.pop(key, None)

    def _run(self, key: Key, values: dict[str, Any], kinds: tuple[Kind, ...]) -> list[Manifest]:
        """On a thread: helm goes on to its end, or its time's, even where nobody waits for it any more."""
        command = [self._helm, "template", key.name, str(self._chart), "--namespace", key.namespace, "--values", "-"]
        command += [f"--api-versions={kind.api_version}/{kind.kind}" for kind in kinds]
        told = json.dumps(values).encode()
        try:
            done = subprocess.run(  # noqa: S603 - the program that the settings name, and no shell
                command, input=told, capture_output=True, timeout=self._timeout_s, check=False
            )
        except OSError as error:
            raise RenderError(f"helm cannot be run: {self._helm}: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise RenderError(f"helm has not rendered the chart within {self._timeout_s:g} s") from None
        if done.returncode:
            raise RenderError(_sentence(done.stderr.decode(errors="replace")))
        return _manifests(done.stdout)


def chart_digest(chart: Path) -> str:
    """Of every file of a chart. Raises `RenderError` where there is none."""
    if not (chart / "Chart.yaml").is_file():
        raise RenderError(f"{chart}: no chart is there; TRADINGMESH_OPERATOR_CHARTS says where the charts are")
    found = hashlib.sha256()
    for path in sorted(path for path in chart.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(chart)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def _manifests(text: bytes) -> list[Manifest]:
    found = [manifest for manifest in yaml.load_all(text, Loader=yaml.CSafeLoader) if manifest]
    return sorted(found, key=reference)


def _sentence(told: str) -> str:
    """Helm's error without its prefix; whoever reads it wants the field, not the stack of templates."""
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith(("WARNING", "Use --debug"))]
    return " ".join(lines).removeprefix("Error: ")[:_MESSAGE_MAX] or "helm failed and said nothing"
