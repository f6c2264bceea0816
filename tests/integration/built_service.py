"""A service as its process builds it, in the test's own process: over ipc, with a broker that is not there."""

from importlib import import_module
from pathlib import Path

import structlog

from tradingmesh.contract import API_VERSION, KIND, Component, TradingSystem
from tradingmesh.runtime.component import Context, Service, _context
from tradingmesh.runtime.settings import Settings, parse_manifest

MESH = [component for component in Component if component is not Component.ALPACA_SIMULATOR]
_STRATEGY = {"name": "m", "uses": "ema-crossover", "symbols": ["IBM"], "params": {"fast": 5, "slow": 10, "quantity": 1}}
_SPEC = {"symbols": ["IBM", "KO"], "strategies": [_STRATEGY], "endpoints": {"transport": "ipc"}}


def system() -> TradingSystem:
    """A small system with one strategy."""
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "x"}, "spec": _SPEC}
    return parse_manifest(manifest, source="test")


def context_in(folder: Path, component: Component) -> Context:
    """What the component is given, with everything in `folder`; whoever asks closes its sockets."""
    settings = Settings(instance="x", data_dir=folder, ipc_dir=folder, simulator_port=1, page_port=0)
    settings = settings.model_copy(update={"apca_api_key_id": "key", "system_file": folder / "system.yaml"})
    return _context(component, settings, system(), structlog.get_logger())


def built(context: Context) -> Service:
    """The component's service."""
    service: Service = import_module(f"tradingmesh.{context.component.value.replace('-', '_')}.main").build(context)
    return service
