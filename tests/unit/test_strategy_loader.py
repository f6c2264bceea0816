"""Finding strategies: built in, the user's own, and every way in which a manifest entry can be wrong."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.adapters.strategy_loader import known_strategies, load_strategy
from tradingmesh.contract import StrategySpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.strategies.ema_crossover import EmaCrossover
from tradingmesh.strategies.mean_reversion import MeanReversion

MINE = """
from tradingmesh.core.strategy import Strategy

class Mine(Strategy):
    def __init__(self, size):
        self.size = 10 / size

class Alien:
    pass

NotOne = Mine(1)
"""


def spec(uses: str, **params: Any) -> StrategySpec:
    return StrategySpec(name="momentum", uses=uses, symbols=["IBM"], params=params)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a user's module and a broken one, not on the path before or after."""
    (tmp_path / "my_loaded_strategy.py").write_text(MINE)
    (tmp_path / "my_broken_strategy.py").write_text("import no_such_module_at_all\n")
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("my_loaded_strategy", None)


def test_the_built_in_ones_are_found_by_name() -> None:
    """The manifest's names lead to the classes, with the manifest's parameters."""
    assert isinstance(load_strategy(spec("ema-crossover", fast=3, slow=9, quantity=100)), EmaCrossover)
    assert isinstance(load_strategy(spec("mean-reversion", window=30)), MeanReversion)
    assert {"ema-crossover", "mean-reversion"} <= set(known_strategies())


def test_a_users_own_is_found_in_the_folder(folder: Path) -> None:
    """`module:Class` is imported from the folder, and made with its parameters."""
    strategy = load_strategy(spec("my_loaded_strategy:Mine", size=5), folder)
    assert vars(strategy) == {"size": 2.0}


@pytest.mark.parametrize(
    ("uses", "params", "sentence"),
    [
        ("ema-cross", {}, "uses: 'ema-cross' is neither module:Class nor one of: ema-crossover, mean-reversion"),
        (":Mine", {}, "uses: ':Mine' is neither module:Class nor one of"),
        ("my_loaded_strategy:", {}, "uses: 'my_loaded_strategy:' is neither"),
        ("no_such_module:Mine", {}, "uses: no_such_module:Mine cannot be loaded: ModuleNotFoundError"),
        ("my_broken_strategy:X", {}, "uses: my_broken_strategy:X cannot be loaded: ModuleNotFoundError"),
        ("my_loaded_strategy:Yours", {}, "uses: my_loaded_strategy:Yours cannot be loaded: AttributeError"),
        ("my_loaded_strategy:NotOne", {}, "uses: my_loaded_strategy:NotOne is not a subclass of Strategy"),
        ("my_loaded_strategy:Alien", {}, "uses: my_loaded_strategy:Alien is not a subclass of Strategy"),
        ("my_loaded_strategy:Mine", {}, "params: missing a required argument: 'size' (takes size)"),
        ("my_loaded_strategy:Mine", {"size": 1, "n": 2}, "params: got an unexpected keyword argument 'n' (takes size)"),
        ("my_loaded_strategy:Mine", {"size": 0}, "my_loaded_strategy:Mine could not be made: ZeroDivisionError"),
        ("ema-crossover", {"fast": -1}, "params.fast: -1 is not a whole number"),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, uses: str, params: dict[str, Any], sentence: str) -> None:
    """Each mistake is a `ConfigError` of one line, naming the strategy and the field."""
    with pytest.raises(ConfigError) as raised:
        load_strategy(spec(uses, **params), folder)
    text = str(raised.value)
    assert text.startswith(f"strategy momentum: {sentence}")
    assert "\n" not in text
