"""Hands the manifest's params to a strategy's constructor as the kinds of values that its annotations say.

A manifest has whole numbers and text, nothing that Kubernetes and YAML could read in two ways: a fraction comes in
quotes, as does true or false.
"""

import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from tradingmesh.core.errors import ConfigError

_FLAGS = {"true": True, "false": False}

_KINDS: dict[object, tuple[Callable[[str], object], str]] = {
    float: (float, "a number"),
    Decimal: (Decimal, "a number"),
    bool: (lambda text: _FLAGS[text], "true or false"),
}


def as_annotated(found: Callable[..., object], params: Mapping[str, Any]) -> dict[str, Any]:
    """The params, each text turned into what its parameter is annotated with. Raises `ConfigError` naming the param."""
    annotated = _annotations(found)
    return {name: _read(name, value, annotated.get(name)) for name, value in params.items()}


def _annotations(found: Callable[..., object]) -> dict[str, object]:
    try:
        signature = inspect.signature(found, eval_str=True)
    except NameError:  # an annotation that is imported for type checkers only says nothing at run time
        signature = inspect.signature(found)
    return {name: one.annotation for name, one in signature.parameters.items()}


def _read(name: str, value: object, annotation: object) -> object:
    if not isinstance(value, str) or annotation not in _KINDS:
        return value
    read, what = _KINDS[annotation]
    try:
        return read(value)
    except (ValueError, InvalidOperation, KeyError):
        raise ConfigError(f"{name}: {value!r} is not {what}") from None
