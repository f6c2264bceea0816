"""The real services for a benchmark: a manifest of its own, free ports, limits that nothing comes near."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
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
_INSTANCES_MAX = 8
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

    def __init__(
        self,
        folder: Path,
        *,
        transport: str = "tcp",
        strategies: list[dict[str, Any]] | None = None,
        symbols: Sequence[str] = (SYMBOL,),
    ) -> None:
        ports = free_ports(len(CHANNELS) + len(Component) + _INSTANCES_MAX)
        names = [channel.value.title().replace("-", "") for channel in CHANNELS]
        endpoints = {name[0].lower() + name[1:]: {"port": port} for name, port in zip(names, ports, strict=False)}
        content = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": "bench"},
            "spec": {
                "symbols": list(symbols),
                "strategies": strategies or [],
                "endpoints": {"transport": transport, **endpoints},
                "riskLimits": _LIMITS,
            },
        }
        self._folder = folder
        self._file = folder / "system.yaml"
        self._file.write_text(yaml.safe_dump(content), encoding="utf-8")
        self._spare_ports = ports[len(CHANNELS) :]
        self._admin_ports: dict[str, int] = {}
        self.spec = load_manifest(self._file).spec

    def settings(self, component: Component, instance: str = "") -> Settings:
        """What the component is told. Without a name of its own its instance is called as it is."""
        return Settings(
            system_file=self._file,
            instance=instance,
            data_dir=self._folder,
            ipc_dir=self._folder,
            admin_port=self._admin_port(instance or component),
            log_level="ERROR",
        )

    def start(self, stack: ExitStack, component: Component, instance: str = "") -> Peer:
        """Runs the component, as `tradingmesh run` does, until the stack ends; returns once it is ready."""
        peer = start(stack, _run, component, self.settings(component, instance))
        self.wait_ready(instance or component)
        return peer

    def wait_ready(self, component: str) -> None:
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

    def status(self, component: Component) -> dict[str, Any]:
        """What the component says of itself."""
        told: dict[str, Any] = self._get(component, "configz")["status"]
        return told

    def _admin_port(self, instance: str) -> int:
        if instance not in self._admin_ports:
            self._admin_ports[instance] = self._spare_ports.pop()
        return self._admin_ports[instance]

    def _get(self, component: str, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._admin_ports[component]}/{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            content: dict[str, Any] = json.load(answer)
        return content


def _run(_pipe: Pipe, component: Component, settings: Settings) -> None:
    module = import_module(f"tradingmesh.{component.replace('-', '_')}.main")
    run_component(component, module.build, settings)
