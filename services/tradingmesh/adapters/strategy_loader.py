"""Finds the strategies that a manifest names: by entry point, or as `module:Class`.

Whatever is wrong with one becomes a `ConfigError` of one line that names the strategy; the code of a strategy is its
author's, so anything may happen while it is imported or made.
"""

import importlib
import inspect
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from tradingmesh.adapters.strategy_params import as_annotated
from tradingmesh.contract import StrategySpec, TradingSystemSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.core.signals.roster import Running
from tradingmesh.core.strategy import Strategy

GROUP = "tradingmesh.strategies"


def load_strategies(spec: TradingSystemSpec, folder: Path | None = None) -> list[Running]:
    """Every strategy of the manifest, ready to run. Raises `ConfigError` as `load_strategy`."""
    return [Running(one.name, frozenset(one.symbols), load_strategy(one, folder)) for one in spec.strategies]


def load_strategy(spec: StrategySpec, folder: Path | None = None) -> Strategy:
    """An instance for that manifest entry. Modules are looked for on the Python path, then in `folder`.

    Raises:
        ConfigError: unknown name, no such module or class, not a `Strategy`, or parameters it does not take.
    """
    found = _class_of(spec, folder)
    try:
        inspect.signature(found).bind(**spec.params)
    except TypeError as wrong:
        raise ConfigError(f"strategy {spec.name}: params: {wrong} (takes {_parameters(found)})") from None
    try:
        return found(**as_annotated(found, spec.params))
    except ConfigError as wrong:
        raise ConfigError(f"strategy {spec.name}: params.{wrong}") from None
    except Exception as error:  # noqa: BLE001 - a user's constructor may raise anything; it is told as one line
        raise ConfigError(f"strategy {spec.name}: {spec.uses} could not be made: {_in_words(error)}") from None


def known_strategies() -> dict[str, EntryPoint]:
    """The strategies installed as entry points, by name."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _class_of(spec: StrategySpec, folder: Path | None) -> type[Strategy]:
    module, colon, name = spec.uses.partition(":")
    point = EntryPoint(spec.uses, spec.uses, GROUP) if colon else known_strategies().get(spec.uses)
    if point is None or (colon and not (module and name)):
        known = ", ".join(sorted(known_strategies()))
        raise ConfigError(f"strategy {spec.name}: uses: {spec.uses!r} is neither module:Class nor one of: {known}")
    if colon and folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
        importlib.invalidate_caches()
    try:
        found: object = point.load()
    except Exception as error:  # noqa: BLE001 - a user's module may raise anything while imported; told as one line
        raise ConfigError(f"strategy {spec.name}: uses: {spec.uses} cannot be loaded: {_in_words(error)}") from None
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ConfigError(f"strategy {spec.name}: uses: {spec.uses} is not a subclass of Strategy")
    return found


def _parameters(strategy: type[Strategy]) -> str:
    return ", ".join(inspect.signature(strategy).parameters) or "none"


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
