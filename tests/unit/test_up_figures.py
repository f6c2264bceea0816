"""The figures of a run: sums over processes and their starts, and what is still awaited."""

from typing import Any

import pytest
from msgspec.structs import replace

from tradingmesh.cli.up_figures import Figures, Held, awaited, figures_of, moved
from tradingmesh.cli.up_watch import Picture
from tradingmesh.contract import Component


def _picture(component: Component, epoch: int = 1, instance: str = "", **told: Any) -> Picture:
    return Picture(
        component,
        instance or component.value,
        epoch,
        told.get("status", {}),
        told.get("counters", {}),
        told.get("gauges", {}),
        told.get("latency_us", {}),
    )


def test_nothing_told_is_nothing_counted() -> None:
    """Before the first answers every figure is empty."""
    assert figures_of([]) == Figures(received=dict.fromkeys(figures_of([]).received, 0))


def test_counts_go_on_over_the_restart_of_a_process() -> None:
    """Each start counts from 0; together they are what happened."""
    feed = [_picture(Component.MARKET_DATA_FEED, epoch, counters={"messages_published": {"": 100}}) for epoch in (1, 2)]
    assert figures_of(feed).published == 200


def test_only_market_data_counts_as_ticks_received() -> None:
    """The store hears features as well, on the same kind of counter; gaps count on every channel."""
    counters = {
        "messages_received": {"channel=market-data": 70, "channel=features": 50},
        "messages_missed": {"channel=market-data": 2, "channel=features": 1},
    }
    figures = figures_of([_picture(Component.MARKET_DATA_STORE, counters=counters)])
    assert figures.received["market-data-store"] == 70
    assert figures.gaps == 3


def test_signals_and_refusals_come_from_the_signal_generator() -> None:
    """By the check that refused; a check that never did is not named."""
    counters = {
        "signals": {"": 9},
        "signals_approved": {"": 6},
        "signals_refused": {"check=duplicate": 2, "check=quote-age": 1, "check=order-rate": 0},
    }
    generator = _picture(Component.SIGNAL_GENERATOR, counters=counters, gauges={"signals_waiting": {"": 3}})
    figures = figures_of([generator])
    assert (figures.signals, figures.approved, figures.signals_waiting) == (9, 6, 3)
    assert figures.refused == {"duplicate": 2, "quote-age": 1}


def test_orders_come_from_the_engine_and_the_broker() -> None:
    """How many the broker took, how many are under way, how they ended, what is not acknowledged."""
    engine = _picture(
        Component.EXECUTION_ENGINE,
        counters={
            "order_events": {"type=OrderPlaced": 5, "type=OrderRejected": 1, "type=ComponentError": 4},
            "reports_redelivered": {"": 2},
        },
        gauges={
            "orders_open": {"status=intended": 1, "status=pending_new": 1, "status=new": 3},
            "outbox_backlog": {"": 7},
        },
    )
    broker = _picture(Component.ALPACA_SIMULATOR, status={"orders": {"taken": 5, "open": 3}, "fills": 4})
    figures = figures_of([engine, broker])
    assert (figures.orders, figures.orders_open, figures.orders_in_flight) == (5, 3, 2)
    assert figures.order_ends == {"placed": 5, "rejected": 1}
    assert (figures.fills_broker, figures.redelivered, figures.backlog) == (4, 2, 7)


def test_the_newest_start_tells_what_is_now() -> None:
    """A gauge of a process that is gone says nothing any more."""
    old = _picture(Component.EXECUTION_ENGINE, 1, gauges={"outbox_backlog": {"": 9}})
    new = _picture(Component.EXECUTION_ENGINE, 2, gauges={"outbox_backlog": {"": 0}})
    assert figures_of([new, old]).backlog == 0


def test_the_ledger_is_shown_as_the_risk_manager_tells_it() -> None:
    """Text stays text: no figure of money passes through a float."""
    position = {"symbol": "IBM", "quantity": "100", "mark": "20.05", "realised": "1.5", "unrealised": "-2", "cost": "x"}
    status = {
        "cash": "997995.000000001",
        "equity": "1",
        "day_profit": "2",
        "fills_booked": 3,
        "reports_waiting": 1,
        "breaker": {"state": "Open", "reason": "loss"},
        "positions": [position],
    }
    figures = figures_of([_picture(Component.RISK_MANAGER, status=status)])
    assert figures.cash == "997995.000000001"
    assert figures.positions == (Held("IBM", "100", "20.05", "1.5", "-2"),)
    assert (figures.fills_applied, figures.reports_waiting, figures.breaker) == (3, 1, "Open")


def test_of_several_processes_the_slowest_gives_the_latency() -> None:
    """And a stage that measured nothing is left out."""
    pictures = [
        _picture(
            Component.FILL_PROCESSOR,
            instance=f"fill-processor-{number}",
            latency_us={"book": {"p50": p50, "p99": p99, "count": 4}, "idle": {"p50": 0, "p99": 0, "count": 0}},
        )
        for number, p50, p99 in ((1, 10.0, 90.0), (2, 20.0, 80.0))
    ]
    assert figures_of(pictures).latency_us == {"book": {"p50": 20.0, "p99": 90.0}}


DONE = Figures(tape_done=True, fills_broker=5, fills_applied=5)


def test_a_drained_mesh_awaits_nothing() -> None:
    """Orders that rest at the broker are no reason to wait: the tape stands still."""
    assert awaited(replace(DONE, orders_open=3), simulated=True) == []


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (replace(DONE, tape_done=False), "the tape to stop"),
        (replace(DONE, signals_waiting=2), "2 risk checks"),
        (replace(DONE, orders_in_flight=1), "1 orders on their way to the broker"),
        (replace(DONE, backlog=4), "4 reports to be acknowledged"),
        (replace(DONE, reports_waiting=1), "1 reports that wait for earlier ones"),
        (replace(DONE, fills_applied=3), "2 fills to be booked"),
    ],
)
def test_what_is_on_its_way_is_awaited(figures: Figures, words: str) -> None:
    """Each by name and number."""
    assert awaited(figures, simulated=True) == [words]


def test_without_a_simulator_only_our_own_way_is_awaited() -> None:
    """No tape has to stop, the broker's fills are not counted by it, and the generator's last picture is old."""
    figures = Figures(tape_done=False, fills_broker=2, fills_applied=9, backlog=1, signals_waiting=1)
    assert awaited(figures, simulated=False) == ["1 reports to be acknowledged"]


@pytest.mark.parametrize("field", ["published", "signals", "approved", "orders", "fills_broker", "fills_applied"])
def test_a_count_that_changed_is_movement(field: str) -> None:
    """Any one of them."""
    assert moved(DONE, replace(DONE, **{field: 77}))
    assert not moved(DONE, replace(DONE, market_time="later", latency_us={"x": {}}))
