"""What the processes told of themselves, put together: the figures of the table, of the report, and of the drain. Pure.

Counts are summed over the starts of a process: each start counts from 0 and is a picture of its own.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from tradingmesh.cli.up_watch import Picture
from tradingmesh.contract import Component

_SUBSCRIBERS = (
    Component.MARKET_DATA_STORE,
    Component.FEATURE_ENGINE,
    Component.SIGNAL_GENERATOR,
    Component.RISK_MANAGER,
    Component.METRICS_COLLECTOR,
)
_MARKET_DATA = "channel=market-data"
_ORDER_EVENTS = {"OrderPlaced": "placed", "OrderCanceled": "canceled", "OrderRejected": "rejected"}
_IN_FLIGHT = ("intended", "pending_new")


class Held(msgspec.Struct, frozen=True):
    """One position, exact, as text."""

    symbol: str
    quantity: str
    mark: str
    realised: str
    unrealised: str


class Figures(msgspec.Struct, frozen=True):
    """One look at the whole mesh."""

    tape_published: int = 0
    tape_total: int | None = None
    market_time: str = ""
    tape_done: bool = False
    published: int = 0
    received: dict[str, int] = {}
    gaps: int = 0
    signals: int = 0
    signals_waiting: int = 0
    approved: int = 0
    refused: dict[str, int] = {}
    orders: int = 0
    orders_in_flight: int = 0
    orders_open: int = 0
    order_ends: dict[str, int] = {}
    fills_broker: int = 0
    fills_applied: int = 0
    redelivered: int = 0
    backlog: int = 0
    reports_waiting: int = 0
    positions: tuple[Held, ...] = ()
    cash: str = ""
    equity: str = ""
    day_profit: str = ""
    breaker: str = ""
    latency_us: dict[str, dict[str, float]] = {}


class Mesh:
    """The pictures, asked by component."""

    def __init__(self, pictures: Iterable[Picture]) -> None:
        self._pictures = sorted(pictures, key=lambda picture: picture.epoch)

    def of(self, component: Component) -> list[Picture]:
        """Every start of every instance of it, oldest first."""
        return [picture for picture in self._pictures if picture.component is component]

    def last(self, component: Component) -> Picture | None:
        """Its newest start."""
        found = self.of(component)
        return found[-1] if found else None

    def status(self, component: Component) -> dict[str, Any]:
        """What its newest start says of itself; nothing before it said anything."""
        picture = self.last(component)
        return picture.status if picture else {}

    def count(self, component: Component, name: str, labels: str | None = None) -> int:
        """A counter over all its starts; with `labels` only that one, otherwise all of the name."""
        counters = (picture.counters.get(name, {}) for picture in self.of(component))
        return sum(int(value) for by in counters for key, value in by.items() if labels in (None, key))

    def counts(self, component: Component, name: str, label: str) -> dict[str, int]:
        """A counter over all its starts, by the values of its one label."""
        found: dict[str, int] = {}
        for picture in self.of(component):
            for key, value in picture.counters.get(name, {}).items():
                told = key.removeprefix(f"{label}=")
                found[told] = found.get(told, 0) + int(value)
        return {key: value for key, value in found.items() if value}

    def gauges(self, component: Component, name: str, *keys: str) -> int:
        """A gauge of its newest start, summed over its labels, or over those of `keys`."""
        picture = self.last(component)
        values = picture.gauges.get(name, {}) if picture else {}
        return int(sum(value for key, value in values.items() if not keys or key in keys))

    def latency_us(self) -> dict[str, dict[str, float]]:
        """p50 and p99 of every stage; where several processes have the stage, of the slowest."""
        stages: dict[str, dict[str, float]] = {}
        for picture in self._pictures:
            for stage, measured in picture.latency_us.items():
                if measured["count"]:
                    slowest = stages.setdefault(stage, {"p50": 0.0, "p99": 0.0})
                    for quantile in slowest:
                        slowest[quantile] = max(slowest[quantile], measured[quantile])
        return stages


def figures_of(pictures: Iterable[Picture]) -> Figures:
    """The figures of these pictures; a process that has told nothing yet counts as 0."""
    mesh = Mesh(pictures)
    broker, ledger = mesh.status(Component.ALPACA_SIMULATOR), mesh.status(Component.RISK_MANAGER)
    tape, taken = broker.get("tape", {}), broker.get("orders", {})
    engine, generator = Component.EXECUTION_ENGINE, Component.SIGNAL_GENERATOR
    events = mesh.counts(engine, "order_events", "type")
    return Figures(
        tape_published=tape.get("published", 0),
        tape_total=tape.get("total"),
        market_time=tape.get("market_time", ""),
        tape_done=tape.get("done", False),
        published=mesh.count(Component.MARKET_DATA_FEED, "messages_published"),
        received={
            component.value: mesh.count(component, "messages_received", _MARKET_DATA) for component in _SUBSCRIBERS
        },
        gaps=sum(mesh.count(component, "messages_missed") for component in _SUBSCRIBERS),
        signals=mesh.count(generator, "signals"),
        signals_waiting=mesh.gauges(generator, "signals_waiting"),
        approved=mesh.count(generator, "signals_approved"),
        refused=mesh.counts(generator, "signals_refused", "check"),
        orders=taken.get("taken", events.get("OrderPlaced", 0)),
        orders_in_flight=mesh.gauges(engine, "orders_open", *(f"status={status}" for status in _IN_FLIGHT)),
        orders_open=taken.get("open", 0),
        order_ends={_ORDER_EVENTS[name]: count for name, count in events.items() if name in _ORDER_EVENTS},
        fills_broker=broker.get("fills", mesh.count(engine, "fills_seen")),
        fills_applied=ledger.get("fills_booked", 0),
        redelivered=mesh.count(engine, "reports_redelivered"),
        backlog=mesh.gauges(engine, "outbox_backlog"),
        reports_waiting=ledger.get("reports_waiting", 0),
        positions=tuple(_held(position) for position in ledger.get("positions", ())),
        cash=ledger.get("cash", ""),
        equity=ledger.get("equity", ""),
        day_profit=ledger.get("day_profit", ""),
        breaker=ledger.get("breaker", {}).get("state", ""),
        latency_us=mesh.latency_us(),
    )


def awaited(figures: Figures, *, simulated: bool) -> list[str]:
    """What is still on its way once no more ticks come. Orders that rest at the broker are not: they stay open.

    Without a simulator ticks end because their sources were stopped, and the signal generator is one of them: a signal
    that its last picture shows as waiting was refused when it stopped.
    """
    found = []
    if simulated and not figures.tape_done:
        found.append("the tape to stop")
    if simulated and figures.signals_waiting:
        found.append(f"{figures.signals_waiting} risk checks")
    if figures.orders_in_flight:
        found.append(f"{figures.orders_in_flight} orders on their way to the broker")
    if figures.backlog:
        found.append(f"{figures.backlog} reports to be acknowledged")
    if figures.reports_waiting:
        found.append(f"{figures.reports_waiting} reports that wait for earlier ones")
    if simulated and figures.fills_applied != figures.fills_broker:
        found.append(f"{figures.fills_broker - figures.fills_applied} fills to be booked")
    return found


def moved(before: Figures, after: Figures) -> bool:
    """Whether anything was still moving between two looks."""
    return _counts(before) != _counts(after)


def _counts(figures: Figures) -> tuple[object, ...]:
    return (
        figures.published,
        figures.received,
        figures.signals,
        figures.approved,
        figures.refused,
        figures.orders,
        figures.fills_broker,
        figures.fills_applied,
        figures.cash,
    )


def _held(position: dict[str, str]) -> Held:
    return Held(**{name: position[name] for name in Held.__struct_fields__})
