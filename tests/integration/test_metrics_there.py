"""Each service has the metrics that the catalogue gives it as soon as it runs, so that no first trouble is missed."""

import tempfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import structlog

from tradingmesh.contract import API_VERSION, KIND, Component
from tradingmesh.runtime.component import _context
from tradingmesh.runtime.settings import Settings, parse_manifest
from tradingmesh.telemetry.catalogue import FAMILIES

MESH = [component for component in Component if component is not Component.ALPACA_SIMULATOR]
WHEN_IT_HAPPENS = {"stream_errors", "order_notices", "system_events", "position_quantity"}
"""Their labels are not known before: an error's code, a kind of oddity, who told what, what is held."""
STRATEGY = {"name": "m", "uses": "ema-crossover", "symbols": ["IBM"], "params": {"fast": 5, "slow": 10, "quantity": 1}}
SPEC = {"symbols": ["IBM", "KO"], "strategies": [STRATEGY], "endpoints": {"transport": "ipc"}}


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short: the path of a socket may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tm-") as name:
        yield Path(name)


def made_by(component: Component, folder: Path) -> set[str]:
    """The metrics of a service that was built, and has done nothing yet."""
    settings = Settings(instance="x", data_dir=folder, ipc_dir=folder, simulator_port=1, page_port=0)
    settings = settings.model_copy(update={"apca_api_key_id": "key", "system_file": folder / "system.yaml"})
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "x"}, "spec": SPEC}
    context = _context(component, settings, parse_manifest(manifest, source="test"), structlog.get_logger())
    try:
        service = import_module(f"tradingmesh.{component.value.replace('-', '_')}.main").build(context)
        context.tend_links()
        names = {metric.name.removeprefix("tradingmesh_") for metric in context.metrics.collect()}
        service.drain()
    finally:
        context.sockets.close()
    return names


@pytest.mark.parametrize("component", MESH)
def test_what_the_catalogue_gives_a_service_is_there(component: Component, folder: Path) -> None:
    """All of it, and `Metrics` lets it have no more."""
    given = {family.name for family in FAMILIES.values() if component in family.components}
    made = made_by(component, folder)
    assert given - made <= WHEN_IT_HAPPENS
    assert made <= given
