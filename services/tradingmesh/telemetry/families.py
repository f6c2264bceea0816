"""What a metric is before anybody measures it: its name, its type, what it means, its labels, and who has it."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from tradingmesh.contract import Component

PREFIX = "tradingmesh_"


class Type(StrEnum):
    """As Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Family(NamedTuple):
    """A metric by the name that programs use; `components` are those that have it, `labels` are in no special order."""

    name: str
    type: Type
    help: str
    components: tuple[Component, ...]
    labels: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """Its name on `/metrics`, without the suffix of a histogram's samples."""
        return f"{PREFIX}{self.name}{'_total' if self.type is Type.COUNTER else ''}"


def by_name(families: Iterable[Family]) -> dict[str, Family]:
    """The families by their names. Raises `ValueError` where two have the same."""
    found: dict[str, Family] = {}
    for family in families:
        if family.name in found:
            raise ValueError(f"metric {family.name} is declared twice")
        found[family.name] = family
    return found
