"""The sample manifests are good manifests, and name only strategies that exist."""

from pathlib import Path

import pytest

from tradingmesh.adapters.strategy_loader import load_strategy
from tradingmesh.contract import Mode
from tradingmesh.runtime.settings import load_manifest

ROOT = Path(__file__).parents[2] / "manifests"
MANIFESTS = sorted(path for path in ROOT.rglob("*.yaml") if "\nkind: TradingSystem\n" in path.read_text())


def test_there_are_a_demo_and_a_paper_sample() -> None:
    """What README and `make demo` name."""
    assert {"demo.yaml", "paper.yaml"} <= {path.name for path in MANIFESTS}


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_sample_is_complete(path: Path) -> None:
    """It can be read, its strategies load with their parameters, and no limit is left unset by mistake."""
    spec = load_manifest(path).spec
    for strategy in spec.strategies:
        load_strategy(strategy, None)
    unset = [name for name, value in spec.risk_limits.model_dump().items() if value is None]
    assert unset == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_no_sample_trades_real_money_unasked(path: Path) -> None:
    """But the one that is named after it."""
    assert (load_manifest(path).spec.mode is Mode.LIVE) == (path.stem == "live")
