"""The clock is set, a day ends, a session is short: the day's loss counts once, and from midnight in New York.

The real risk manager in virtual time, in mode paper, where the wall clock says which day it is; what is judged is its
journal and what it holds.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from tests.simulation.plan import S
from tests.simulation.stand_ins import stand_ins
from tests.simulation.world import World
from tradingmesh.core.journal.chain import Kind
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.day import HELD_NS
from tradingmesh.core.risk.records import DayStarted, decode
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.signal import Side
from tradingmesh.testing.risk_desk import RiskDesk

FIVE_MINUTES_NS = 300 * S
SHARES, LOSS_LIMIT = 1_000, Decimal(2_000)


@pytest.fixture(autouse=True)
def _virtual() -> Iterator[None]:
    with stand_ins():
        yield


class Day:
    """A risk manager that holds shares, and a wall clock that stands at a time of New York's when it starts."""

    def __init__(self, seed: int, new_york: str) -> None:
        self.world = World(seed, focus={"tape_time": False, "daily_loss": LOSS_LIMIT, "rates": {}})
        at = datetime.fromisoformat(new_york).replace(tzinfo=ZoneInfo("America/New_York"))
        self.world.time.wall_step_ns = int(at.astimezone(UTC).timestamp()) * S - self.world.time.now_ns
        self.manager = self.world.processes["risk-manager"]
        self.manager.start()
        self.world.slow_down()
        self.world.random.randrange = lambda *_: 0  # type: ignore[method-assign]  # a market that does not walk by itself
        self.world.feed.begin()
        self.go_on(2 * S)
        core = self.manager.service._core
        core.apply(RiskDesk().filled(RiskDesk().signal("held", Side.BUY, "1"), str(SHARES), "50"), self.wall_ns)
        self.go_on(S)

    @property
    def wall_ns(self) -> int:
        return self.world.time.now_ns + self.world.time.wall_step_ns

    @property
    def state(self) -> RiskState:
        state: RiskState = self.manager.service._core.state
        return state

    @property
    def begun(self) -> int:
        """How many days the journal has begun."""
        (disk,) = self.manager.journals.values()
        records = (decode(entry.record) for entry in disk.entries if entry.kind == Kind.RECORD)
        return sum(isinstance(record, DayStarted) for record in records)

    def go_on(self, for_ns: int) -> None:
        """The price stays near where it is, so that only what is told here wins or loses."""
        self.world.let_go_on(for_ns)
        assert not self.world.violations

    def lose(self, dollars: int) -> None:
        self.world.feed.shock("IBM", -Decimal(dollars) / SHARES)
        self.go_on(2 * S)

    def set_clock(self, by_ns: int) -> None:
        self.world.time.wall_step_ns += by_ns
        self.go_on(2 * S)


@pytest.mark.parametrize("by_ns", [FIVE_MINUTES_NS, -FIVE_MINUTES_NS])
@pytest.mark.parametrize("new_york", ["2024-01-03T11:00", "2024-01-03T23:58", "2024-01-04T00:02"])
def test_a_clock_that_is_set_and_put_right_moves_no_day(seed: int, new_york: str, by_ns: int) -> None:
    """Also over midnight: what was lost before counts on, and the limit trips where both losses together pass it."""
    day = Day(seed, new_york)
    day.lose(1_500)
    day.set_clock(by_ns)
    day.go_on(60 * S)
    day.set_clock(-by_ns)
    assert day.begun == 1
    assert day.state.breaker.state is BreakerState.CLOSED
    day.lose(800)
    assert day.state.breaker.state is not BreakerState.CLOSED
    assert day.state.day_profit_e18 < -LOSS_LIMIT * 10**18


@pytest.mark.parametrize("by_ns", [0, FIVE_MINUTES_NS, -FIVE_MINUTES_NS])
def test_a_day_begins_once_whatever_the_clock(seed: int, by_ns: int) -> None:
    """At midnight, or once a clock that was set has held; a clock that is set back over it begins no other."""
    day = Day(seed, "2024-01-03T23:58")
    day.lose(1_500)
    day.set_clock(by_ns)
    day.go_on(HELD_NS + 2 * FIVE_MINUTES_NS)
    assert day.begun == 2
    assert day.state.day_profit_e18 == 0
    day.set_clock(-4 * FIVE_MINUTES_NS)
    day.go_on(HELD_NS + 5 * FIVE_MINUTES_NS)
    assert day.begun == 2
    day.lose(1_500)
    assert day.state.breaker.state is BreakerState.CLOSED


def test_the_close_of_a_half_day_ends_no_day(seed: int) -> None:
    """On 3 July 2024 the exchange closed at one o'clock: what was lost before counts until midnight."""
    day = Day(seed, "2024-07-03T12:58")
    day.lose(1_500)
    day.go_on(FIVE_MINUTES_NS)
    assert day.begun == 1
    day.lose(800)
    assert day.state.breaker.state is not BreakerState.CLOSED
