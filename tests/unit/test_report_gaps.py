"""Reports that stay missing: asked for when they are more than late, alarmed when that does not help."""

from tradingmesh.core.place import Place
from tradingmesh.core.risk.gaps import ASK_AFTER_NS, GapWatch

IBM, BAC = (7, "IBM"), (7, "BAC")


def test_a_gap_is_told_when_it_lasts() -> None:
    """The longest first, with the place of what is missing."""
    watch = GapWatch()
    assert watch.look({IBM: 3}, 0) == []
    assert watch.look({IBM: 3, BAC: 1}, ASK_AFTER_NS - 1) == []
    assert [gap.place for gap in watch.look({IBM: 3, BAC: 1}, ASK_AFTER_NS)] == [Place(7, "IBM", 3)]
    found = watch.look({BAC: 1, IBM: 3}, 2 * ASK_AFTER_NS)
    assert [(gap.line, gap.awaited, gap.since_ns) for gap in found] == [(IBM, 3, 0), (BAC, 1, ASK_AFTER_NS - 1)]


def test_progress_begins_the_wait_anew() -> None:
    """A line that waits for another number than before is not stuck; one that closed is forgotten."""
    watch = GapWatch()
    watch.look({IBM: 3}, 0)
    assert watch.look({IBM: 9}, 2 * ASK_AFTER_NS) == []
    assert watch.look({}, 3 * ASK_AFTER_NS) == []
    assert watch.look({IBM: 9}, 4 * ASK_AFTER_NS) == []
    assert len(watch.look({IBM: 9}, 5 * ASK_AFTER_NS)) == 1
