"""Where a live object is not as it is wanted, on the fields that are wanted.

The server fills in defaults, other managers add fields of their own, and quantities come back in another spelling: none
of that is a difference. What is wanted and missing, or has another value, is.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

Difference = tuple[str, str]
"""A path, and what is there instead."""

_KEYS = ("name", "mountPath", "containerPort", "port", "uid", "key", "topologyKey")
"""By these the elements of a list are told apart, the first that all of them have."""

_NUMBER = re.compile(r"[0-9]{1,18}([.][0-9]{1,9})?")
"""What is no more than digits. A hash such as 1e999999 is no number, although Python would read it as one."""
_SUFFIXES = {
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
}


def differences(wanted: Any, live: Any, path: str = "") -> Iterator[Difference]:
    """Every place, in the order of what is wanted. Nothing, an empty list and an empty mapping are the same."""
    if wanted in (None, {}, []):
        if live not in (None, {}, [], "", 0, False):
            yield path, _told(live)
    elif isinstance(wanted, dict):
        yield from _of_mapping(wanted, live if isinstance(live, dict) else {}, path)
    elif isinstance(wanted, list):
        yield from _of_list(wanted, live if isinstance(live, list) else [], path)
    elif not _same(wanted, live):
        yield path, _told(live)


def _of_mapping(wanted: dict[str, Any], live: dict[str, Any], path: str) -> Iterator[Difference]:
    for name, value in wanted.items():
        yield from differences(value, live.get(name), f"{path}.{name}" if path else name)


def _of_list(wanted: list[Any], live: list[Any], path: str) -> Iterator[Difference]:
    key = _key_of(wanted)
    if key is None or _key_of(live) != key:
        if len(wanted) != len(live):
            yield path, f"{len(live)} elements"
            return
        for number, (one, other) in enumerate(zip(wanted, live, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
        return
    there = {element[key]: element for element in live}
    for element in wanted:
        yield from differences(element, there.get(element[key], {}), f"{path}[{element[key]}]")


def _key_of(elements: list[Any]) -> str | None:
    """What tells the elements apart; None where nothing does, and their order counts."""
    if not elements or not all(isinstance(element, dict) for element in elements):
        return None
    for key in _KEYS:
        values = [element.get(key) for element in elements]
        if all(isinstance(value, str | int) for value in values):
            return key if len(set(values)) == len(values) else None
    return None


def _same(wanted: Any, live: Any) -> bool:
    if wanted == live and isinstance(wanted, bool) is isinstance(live, bool):
        return True
    if live is None:
        return wanted in ("", 0, False)
    if isinstance(wanted, bool) or isinstance(live, bool):
        return False
    one, other = _quantity(wanted), _quantity(live)
    return one is not None and one == other


def _quantity(value: Any) -> Decimal | None:
    text = str(value)
    for suffix in (text[-2:], text[-1:]):
        if suffix in _SUFFIXES:
            factor, text = _SUFFIXES[suffix], text.removesuffix(suffix)
            break
    else:
        factor = Decimal(1)
    return Decimal(text) * factor if _NUMBER.fullmatch(text) else None


def _told(live: Any) -> str:
    return "nothing" if live is None else str(live)[:80]
