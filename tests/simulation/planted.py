"""Mistakes that were never made, to be made on purpose: each is one somebody could make in an afternoon.

Plans as they are drawn find each of them within some thousand seeds; with a plan that is after what the mistake is
about (its `focus`), one of a few dozen does.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, NamedTuple
from unittest import mock

import msgspec
import zmq

from tests.simulation.plan import MS, Focus
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_trading import AlpacaTrading
from tradingmesh.adapters.zmq_messages import read
from tradingmesh.core.checks import Approved, Check
from tradingmesh.core.fills import ReportAnswer
from tradingmesh.core.orders.effects import Effect, Send, SubmitRefused, SubmitUnanswered
from tradingmesh.core.orders.sync import PERIOD_NS, BrokerSync
from tradingmesh.core.orders.table import OrderTable
from tradingmesh.core.risk.breaker import BreakerMoved
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.pre_trade import ORDER_PLAN, Plan, Test
from tradingmesh.core.risk.records import SwitchSet
from tradingmesh.core.risk.reports import Handed, ReportSequences, place_of
from tradingmesh.execution_engine.delivery import Delivery
from tradingmesh.execution_engine.engine import ExecutionEngine
from tradingmesh.execution_engine.risk_desk import RiskDesk
from tradingmesh.risk_manager.check_desk import CheckDesk
from tradingmesh.risk_manager.main import RiskManager
from tradingmesh.testing.virtual_sockets import RequestSocket
from tradingmesh.wire.messages import RISK_CHECK_RESPONSE


class Planted(NamedTuple):
    """A mistake, how to make it for a while, and the plan in which it soon shows."""

    name: str
    focus: Focus
    planted: Callable[[], AbstractContextManager[Any]]


def _method(owner: type, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
    return mock.patch.object(owner, name, make(getattr(owner, name)))


def answered_before_it_is_on_disk() -> Any:
    """The risk manager acknowledges a fill, and only then writes it."""

    def early(end_turn: Callable[..., None]) -> Callable[..., None]:
        def ended(self: RiskManager) -> None:
            self._reports.answer()
            end_turn(self)

        return ended

    return _method(RiskManager, "_end_turn", early)


def booked_again_when_it_comes_again() -> Any:
    """The risk manager does not look whether it has a report already."""
    again = mock.patch.object(RiskCore, "_answer_again", lambda self, handed: self._take_report(handed))
    unknown = mock.patch.object(ReportSequences, "knows_fill", return_value=False)
    return _both(again, unknown)


def booked_out_of_order() -> Any:
    """A report that came early is booked at once."""

    def hasty(apply: Callable[..., tuple[ReportAnswer, ...]]) -> Callable[..., tuple[ReportAnswer, ...]]:
        def applied(self: RiskCore, handed: Handed, now_ns: int) -> tuple[ReportAnswer, ...]:
            place = place_of(handed)
            if place.symbol_sequence > self.state.reports.next_of(place[:2]):
                return (self._take_report(handed),)
            return apply(self, handed, now_ns)

        return applied

    return _method(RiskCore, "apply", hasty)


def acted_before_it_is_on_disk() -> Any:
    """The execution engine submits and pushes first, and writes then."""

    def hasty(commit: Callable[..., None]) -> Callable[..., None]:
        def committed(self: ExecutionEngine) -> None:
            actions, self._after_commit = self._after_commit, []
            for action in actions:
                action()
            commit(self)

        return committed

    return _method(ExecutionEngine, "_commit", hasty)


def posted_again_without_looking() -> Any:
    """An order whose answer was lost is sent again, without a question."""
    return mock.patch.object(AlpacaTrading, "_look_up", return_value=None)


def a_lost_answer_taken_for_a_no() -> Any:
    """An order whose answer was lost counts as refused."""

    def hasty(on_submitted: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
        def submitted(self: OrderTable, answer: Any, *more: Any) -> list[Effect]:
            if isinstance(answer, SubmitUnanswered):
                answer = SubmitRefused(answer.client_order_id, answer.reason)
            return on_submitted(self, answer, *more)

        return submitted

    return _method(OrderTable, "on_submitted", hasty)


def any_answer_taken_for_this_one() -> Any:
    """The execution engine takes whatever answer comes for that to its last question; so does its socket."""

    def take_any(self: RiskDesk) -> None:
        try:
            response = read(RISK_CHECK_RESPONSE, self._socket.recv_multipart(zmq.NOBLOCK)).body
        except zmq.ZMQError:
            return
        if not self._asks._flying:
            return
        request = self._asks._line[0][1].request
        self._asks.answered(request.request_id)
        result = response.result
        if isinstance(result, Approved):
            result = msgspec.structs.replace(result, reservation_id=request.reservation_id)
        self._on_decision(request.request_id, result)
        self._send_next()

    return _both(
        mock.patch.object(RiskDesk, "_take_answer", take_any), mock.patch.object(RequestSocket, "correlate", new=False)
    )


def reserved_for_ever() -> Any:
    """A refused order is not told to the risk manager: what was reserved for it stays so."""

    def silent(rejected: Callable[..., list[Effect]]) -> Callable[..., list[Effect]]:
        return lambda *arguments: [effect for effect in rejected(*arguments) if not isinstance(effect, Send)]

    return _method(OrderTable, "_rejected", silent)


def not_asked_after_a_reconnect() -> Any:
    """When the order stream comes back, all is taken to be as before."""

    def careless(on_stream: Callable[..., bool]) -> Callable[..., bool]:
        def heard(self: BrokerSync, problem: str, now_ns: int) -> bool:
            known = self._connections > 0
            news = on_stream(self, problem, now_ns)
            if known:
                self._sync_problem, self._due_ns = "", now_ns + PERIOD_NS
            return news

        return heard

    return _method(BrokerSync, "on_stream", careless)


def approved_without_its_reservation() -> Any:
    """An order may go although what it was approved with has expired."""
    tests: dict[Check, Test] = {check: test for check, test in ORDER_PLAN.tests if check is not Check.RESERVATION}
    return mock.patch("tradingmesh.core.risk.core.ORDER_PLAN", Plan.of(tests, frozenset(tests)))


def numbers_used_again() -> Any:
    """A new execution engine counts its reports from 1 again."""
    return mock.patch.object(OrderTable, "restore_sequence")


def never_sent_again() -> Any:
    """A report without an ack is left alone."""

    def patient(made: Callable[..., None]) -> Callable[..., None]:
        def init(self: Delivery, *arguments: Any) -> None:
            made(self, *arguments)
            self._unacked._redeliver_ns = 10**18

        return init

    return _method(Delivery, "__init__", patient)


def confirmed_in_memory_only() -> Any:
    """An order's confirmation is answered before it is written."""

    def hasty(answer: Callable[..., None]) -> Callable[..., None]:
        def answered(self: CheckDesk, frames: list[bytes]) -> None:
            with mock.patch.object(self._recorder, "write"):
                answer(self, frames)

        return answered

    return _method(CheckDesk, "_answer", hasty)


def breaker_closed_by_a_restart() -> Any:
    """A new risk manager has forgotten that the breaker was open."""
    return _forgetting(BreakerMoved)


def halt_ended_by_a_restart() -> Any:
    """A new risk manager has forgotten that trading was halted."""
    return _forgetting(SwitchSet)


def _forgetting(kind: type) -> Any:
    def forgetful(restore: Callable[..., None]) -> Callable[..., None]:
        return lambda self, records, *more: restore(self, (one for one in records if not isinstance(one, kind)), *more)

    return _method(RiskCore, "restore", forgetful)


def sent_although_it_was_withdrawn() -> Any:
    """An order that waits at the broker's gate is not asked about again when trading is stopped."""
    return mock.patch.object(ApiGate, "withdraw")


class _both:  # noqa: N801 - a context, as the standard library writes them
    """Two patches at once."""

    def __init__(self, *patches: Any) -> None:
        self._patches = patches

    def __enter__(self) -> None:
        for patch in self._patches:
            patch.start()

    def __exit__(self, *_: object) -> None:
        for patch in self._patches:
            patch.stop()


KILLED_OFTEN = {"kill": 2.5}
WRITES = {"rates": KILLED_OFTEN, "slow_disk_chance": 0.5, "warm_up": True}
APPROVALS = {"rates": KILLED_OFTEN, "quote_every_ns": 40 * MS, "aim": ("risk-manager", "flush"), "warm_up": True}
STOPPED = {"rates": {"halt": 2.5, "outage": 1.2}, "api_fault_chance": 0.3, "warm_up": True}
PLANTED = [
    Planted(bug.__name__, focus, bug)
    for bug, focus in (
        (answered_before_it_is_on_disk, {**WRITES, "aim": ("risk-manager", "commit")}),
        (booked_again_when_it_comes_again, {}),
        (booked_out_of_order, {}),
        (acted_before_it_is_on_disk, {**WRITES, "aim": ("execution-engine", "commit")}),
        (posted_again_without_looking, {"api_fault_chance": 0.15, "unique_client_ids": False}),
        (a_lost_answer_taken_for_a_no, {"rates": {"outage": 1.2, "stream": 1.2}, "warm_up": True}),
        (any_answer_taken_for_this_one, {}),
        (reserved_for_ever, {}),
        (not_asked_after_a_reconnect, {"rates": {"stream": 1.2}}),
        (approved_without_its_reservation, APPROVALS),
        (numbers_used_again, {"rates": {"kill": 1.2}}),
        (never_sent_again, {"rates": {"cut": 1.2}}),
        (confirmed_in_memory_only, APPROVALS),
        (breaker_closed_by_a_restart, {"rates": {"kill": 1.2}, "daily_loss": Decimal(20)}),
        (halt_ended_by_a_restart, {"rates": {"kill": 1.2, "halt": 2.5}}),
        (sent_although_it_was_withdrawn, STOPPED),
    )
]
