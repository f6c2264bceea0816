"""The real services for a benchmark: a manifest of its own, free ports, limits that nothing comes near."""

import json
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from tradingmesh.bench.peers import BenchError, Peer, Pipe, free_ports, start
from tradingmesh.contract import API_VERSION, CHANNELS, KIND, Component
from tradingmesh.runtime.component import run_component
from tradingmesh.runtime.settings import Settings, load_manifest

SYMBOL = "IBM"
_READY_TIMEOUT_S = 20.0
_LARGE = "900000000000"
_LIMITS = {
    "maxOrderQuantity": _LARGE,
    "maxOrderNotional": _LARGE,
    "maxPositionQuantity": _LARGE,
    "maxPositionNotional": _LARGE,
    "maxGrossNotional": _LARGE,
    "maxDailyLoss": _LARGE,
    "maxOpenOrders": 1_000_000,
    "maxOrdersPerMinute": 1_000_000,
    "priceCollarPercent": "3",
    "maxQuoteAge": "5s",
}


class Mesh:
    """One TradingSystem in a folder. Its components have admin ports of their own and keep their data there."""

    def __init__(self, folder: Path, *, transport: str = "tcp", strategies: list[dict[str, Any]] | None = None) -> None:
        ports = free_ports(len(CHANNELS) + len(Component))
        names = [channel.value.title().replace("-", "") for channel in CHANNELS]
        endpoints = {name[0].lower() + name[1:]: {"port": port} for name, port in zip(names, ports, strict=False)}
        content = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "bench"},
            "spec": {
                "symbols": [SYMBOL],
                "strategies": strategies or [],
                "endpoints": {"transport": transport, **endpoints},
                "riskLimits": _LIMITS,
            },
        }
        self._folder = folder
        self._file = folder / "system.yaml"
        self._file.write_text(yaml.safe_dump(content), encoding="utf-8")
        self._admin_ports = dict(zip(Component, ports[len(CHANNELS) :], strict=True))
        self.spec = load_manifest(self._file).spec

    def settings(self, component: Component) -> Settings:
        """What the component is told."""
        return Settings(
            system_file=self._file,
            data_dir=self._folder,
            ipc_dir=self._folder,
            admin_port=self._admin_ports[component],
            log_level="ERROR",
        )

    def start(self, stack: ExitStack, component: Component) -> Peer:
        """Runs the component, as `tradingmesh run` does, until the stack ends; returns once it is ready."""
        peer = start(stack, _run, component, self.settings(component))
        self.wait_ready(component)
        return peer

    def wait_ready(self, component: Component) -> None:
        """Waits for the component. Raises `BenchError` where it does not become ready."""
        deadline_s = time.monotonic() + _READY_TIMEOUT_S
        while True:
            try:
                self._get(component, "readyz")
            except (OSError, urllib.error.URLError) as error:
                if time.monotonic() > deadline_s:
                    raise BenchError(f"{component} is not ready: {error}") from None
                time.sleep(0.05)
            else:
                return

    def latency_us(self, component: Component, stage: str) -> dict[str, float]:
        """p50, p99 and count of one stage, as the component itself measured it."""
        summary: dict[str, float] = self._get(component, "configz")["metrics"]["latency_us"][stage]
        return summary

    def _get(self, component: Component, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._admin_ports[component]}/{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            content: dict[str, Any] = json.load(answer)
        return content


def _run(_pipe: Pipe, component: Component, settings: Settings) -> None:
    module = import_module(f"tradingmesh.{component.replace('-', '_')}.main")
    run_component(component, module.build, settings)
