"""Renders the umbrella chart with helm, once a system and values."""

import asyncio
import hashlib
import json
import zlib
from collections import OrderedDict
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

    def __init__(self, helm: str, chart: Path, *, timeout_s: float, at_once: int) -> None:
        self._helm = helm
        self._chart = chart
        self._chart_digest = chart_digest(chart)
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(at_once)
        self._kept: OrderedDict[tuple[Key, str], bytes] = OrderedDict()
        self.rendered = 0
        """How often helm was run."""

    async def render(self, key: Key, values: dict[str, Any], kinds: tuple[Kind, ...] = ()) -> list[Manifest]:
        """What the chart makes of the values, where the cluster has these kinds beside its own.

        Raises `RenderError` with helm's own words.
        """
        at = (key, digest([self._chart_digest, values, kinds]))
        if at not in self._kept:
            async with self._slots:
                manifests = await self._run(key, values, kinds)
            self._kept[at] = zlib.compress(json.dumps(manifests).encode())
            if len(self._kept) > KEPT_MAX:
                self._kept.popitem(last=False)
        self._kept.move_to_end(at)
        found: list[Manifest] = json.loads(zlib.decompress(self._kept[at]))
        return found

    def forget(self, key: Key) -> None:
        """Drops what was kept of a system that is gone."""
        for at in [at for at in self._kept if at[0] == key]:
            del self._kept[at]

    async def _run(self, key: Key, values: dict[str, Any], kinds: tuple[Kind, ...]) -> list[Manifest]:
        self.rendered += 1
        command = [self._helm, "template", key.name, str(self._chart), "--namespace", key.namespace, "--values", "-"]
        command += [f"--api-versions={kind.api_version}/{kind.kind}" for kind in kinds]
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        except OSError as error:
            raise RenderError(f"helm cannot be run: {self._helm}: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._timeout_s):
                out, told = await process.communicate(json.dumps(values).encode())
        except TimeoutError:
            raise RenderError(f"helm has not rendered the chart within {self._timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise RenderError(_sentence(told.decode(errors="replace")))
        return await asyncio.to_thread(_manifests, out)


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
