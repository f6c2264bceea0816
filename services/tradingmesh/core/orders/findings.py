"""What a reconciliation found that was not as we had it."""

from collections import Counter

import msgspec

from tradingmesh.core.fills import Fill
from tradingmesh.core.orders.effects import Effect, Notice, Send, Snapshot


class Findings(msgspec.Struct, frozen=True):
    """Numbers: fills booked that the stream had not told, orders adopted, orders of ours that the broker does not know.

    Then orders of which it speaks of fills that it does not show, and rows of its answer that cannot be read.
    """

    missed_fill: int = 0
    adopted: int = 0
    missing: int = 0
    short: int = 0
    unreadable: int = 0


def findings_of(effects: list[Effect], snapshot: Snapshot) -> Findings:
    """What the broker's answer made to be done; `short` is seen once that is done."""
    notices = Counter(effect.what for effect in effects if isinstance(effect, Notice))
    missed = sum(isinstance(effect, Send) and isinstance(effect.report.body, Fill) for effect in effects)
    return Findings(missed, notices["adopted"], notices["order-missing"], 0, len(snapshot.unreadable))
