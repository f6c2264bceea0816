"""The event feed: each event as a sentence and how grave it is, newest first, those alike in one row."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from tradingmesh.core import events as told
from tradingmesh.core.events import SystemEvent
from tradingmesh.core.page.rows import FEED_MAX, FeedRow, amount, milliseconds, short

Feed = tuple[FeedRow, ...]
INFO, GOOD, WARNING, BAD = "info", "good", "warning", "bad"
ALIKE_WITHIN = 8
"""Among so many of the newest rows one alike is looked for."""


class Sentence(NamedTuple):
    """How an event is told. `alike`: what events have in common that share a row; without it, words and trace."""

    level: str
    words: Callable[[Any], str]
    alike: Callable[[Any], str] | None = None


def _order(event: Any) -> str:
    return f"{event.side.value} {amount(event.quantity)} {event.symbol}"


def _approved(event: told.SignalApproved) -> str:
    return f"{event.signal.strategy}: {_order(event.signal)} approved"


def _refused(event: told.SignalRejected) -> str:
    named = event.reason.startswith(event.check.value)
    reason = event.reason if named else f"{event.check.value}: {event.reason}"
    return f"{event.signal.strategy}: {_order(event.signal)} refused, {reason}"


def _refused_alike(event: told.SignalRejected) -> str:
    return f"{event.signal.strategy} {event.signal.symbol} {event.check.value}"


def _filled(event: told.OrderFilled) -> str:
    return f"{_order(event.fill)} filled at {amount(event.fill.price)}"


def _canceled(event: told.OrderCanceled) -> str:
    return f"{event.symbol}: order {event.status}, {amount(event.filled_quantity)} filled"


def _closed(event: told.PositionClosed) -> str:
    return f"{event.symbol}: position closed, {amount(event.realised)} realised since the start"


def _lost(event: told.LinkLost) -> str:
    links = f"{event.lost} {'link' if event.lost == 1 else 'links'} of {event.channel} lost"
    return f"{event.instance}: {links}{event.peer and f', to {event.peer}'}"


def _reconciled(event: told.BrokerReconciled) -> str:
    found = {
        "missed fills": event.missed_fill,
        "adopted": event.adopted,
        "missing": event.missing,
        "short": event.short,
        "unreadable": event.unreadable,
    }
    parts = [f"{count} {name}" for name, count in found.items() if count] + list(event.differences)
    return f"asked the broker, {'in sync' if event.in_sync else 'NOT in sync'}: {', '.join(parts) or 'nothing new'}"


_SENTENCES: dict[type, Sentence] = {
    told.OrderPlaced: Sentence(INFO, lambda e: f"{_order(e)} placed"),
    told.OrderFilled: Sentence(GOOD, _filled),
    told.OrderCanceled: Sentence(INFO, _canceled),
    told.OrderRejected: Sentence(WARNING, lambda e: f"{e.symbol}: order rejected: {e.reason}"),
    told.PositionOpened: Sentence(INFO, lambda e: f"{e.position.symbol}: position of {amount(e.position.quantity)}"),
    told.PositionClosed: Sentence(INFO, _closed),
    told.SignalApproved: Sentence(INFO, _approved),
    told.SignalRejected: Sentence(WARNING, _refused, _refused_alike),
    told.CircuitBreakerTripped: Sentence(BAD, lambda e: f"circuit breaker open: {e.reason}"),
    told.CircuitBreakerReset: Sentence(GOOD, lambda e: f"circuit breaker closed: {e.reason}"),
    told.ApiBreakerOpened: Sentence(BAD, lambda e: f"the broker's API does not answer: {e.reason}"),
    told.ApiBreakerClosed: Sentence(GOOD, lambda e: f"the broker's API: {e.reason}"),
    told.BrokerReconciled: Sentence(INFO, _reconciled),
    told.LimitsChanged: Sentence(WARNING, lambda e: f"changed: {', '.join(e.changes)}"),
    told.EngineFenced: Sentence(BAD, lambda e: f"{e.instance} fenced off: {e.reason}"),
    told.ComponentStarted: Sentence(INFO, lambda e: f"{e.instance} started, version {e.version}"),
    told.ComponentStopped: Sentence(WARNING, lambda e: f"{e.instance} stopped"),
    told.SubscriberSlow: Sentence(
        WARNING,
        lambda e: f"{e.instance}: {e.channel} {e.lag_ms} ms late, {e.missed} missed",
        lambda e: f"{e.instance} {e.channel}",
    ),
    told.LinkLost: Sentence(WARNING, _lost),
    told.ComponentError: Sentence(BAD, lambda e: f"{e.instance}: {e.error}"),
}


def with_event(feed: Feed, event: SystemEvent) -> Feed:
    """The feed with the event, if it is one that the feed tells of."""
    sentence = _SENTENCES.get(type(event))
    if sentence is None:
        return feed
    row = _row(sentence, event)
    for at, before in enumerate(feed[:ALIKE_WITHIN]):
        if before.key == row.key:
            again = msgspec.structs.replace(row, times=before.times + 1)
            return (again, *feed[:at], *feed[at + 1 :])
    return (row, *feed[: FEED_MAX - 1])


def _row(sentence: Sentence, event: SystemEvent) -> FeedRow:
    meta, kind, text = event.metadata, type(event).__name__, short(sentence.words(event))
    alike = short(sentence.alike(event)) if sentence.alike else f"{text} {short(meta.trace_id)}"
    return FeedRow(
        key=(kind, short(meta.component), alike),
        at_ms=milliseconds(meta.timestamp_ns),
        component=short(meta.component),
        kind=kind,
        level=sentence.level,
        text=text,
        trace_id=short(meta.trace_id),
    )
