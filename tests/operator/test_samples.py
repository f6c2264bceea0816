"""Every sample can be applied as it is, and says to tradingmesh what it says to the API server."""

import json
from pathlib import Path

import pytest

from tests.cluster.api_server import ApiServer
from tradingmesh.contract import TradingSystem
from tradingmesh.runtime.settings import load_manifest

ROOT = Path(__file__).parents[2] / "manifests"
SAMPLES = sorted([*ROOT.glob("samples/*.yaml"), ROOT / "demo.yaml", ROOT / "paper.yaml"])


def test_there_is_one_of_each_kind() -> None:
    """What the README names."""
    kinds = {path.stem for path in SAMPLES if path.parent.name == "samples"}
    assert kinds == {"simulated", "paper", "live", "autoscaled", "keda", "postgresql"}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_sample_is_taken_as_it_is(tradingsystems: ApiServer, path: Path) -> None:
    """Nothing in it is unknown or wrong, and what is filled in is what the models have."""
    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-n", "default", "-o", "json")
    kept = json.loads(tradingsystems.kubectl(*apply, "-f", str(path)).stdout)
    head = {name: kept[name] for name in ("apiVersion", "kind", "spec")}
    named = {"name": kept["metadata"]["name"]}
    assert TradingSystem.of_manifest({**head, "metadata": named}).spec == load_manifest(path).spec
