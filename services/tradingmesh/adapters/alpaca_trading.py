"""Alpaca's trading REST through alpaca-py's `TradingClient`: blocking calls, to be made from a worker thread.

alpaca-py has no HTTP timeout, and retries 429 and 504 by itself, POST included, sleeping in between. Both end here, in
one override. What this module does instead: an answer that was lost (timeout, reset, 5xx) may have been acted on, so
the order is looked up by its `client_order_id` before it is sent again, and never sent after its valid-until. From then
on only the order itself is an answer: a refusal of any question does not say that the first POST came to nothing.

An order whose POST is still on its way when it is looked up is not there yet, and is sent a second time: Alpaca takes a
`client_order_id` once, also of orders that have ended (alpaca-py #260), and answers the second "must be unique".
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import stamina

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from requests import RequestException, Response

from tradingmesh.adapters.alpaca_answers import (
    AnswerLostError,
    NotSentError,
    RateLimitedError,
    RequestRefusedError,
    loss,
    refusal,
)
from tradingmesh.adapters.alpaca_gate import ApiGate
from tradingmesh.adapters.alpaca_snapshot import AlpacaSnapshot
from tradingmesh.adapters.alpaca_trading_json import order_update
from tradingmesh.contract import RetrySpec
from tradingmesh.core.errors import BrokerError, InputError
from tradingmesh.core.orders.api_breaker import ApiCall
from tradingmesh.core.orders.effects import Snapshot, SubmitAnswered, SubmitRefused, SubmitUnanswered
from tradingmesh.core.orders.record import OrderUpdate
from tradingmesh.ports import Clock, ReadyOrder

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 5.0
_NOT_UNIQUE = "must be unique"
_MS_PER_S = 1_000

T = TypeVar("T")
_NONE: Mapping[str, Any] = {}


class _Client(TradingClient):
    def __init__(self, key_id: str, secret_key: str, url: str | None, gate: ApiGate, *, paper: bool) -> None:
        super().__init__(key_id or "none", secret_key or "none", paper=paper, raw_data=True, url_override=url)
        self._gate = gate

    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:  # noqa: ARG002 - as alpaca-py calls it
        bounded = {**opts, "timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S), "hooks": {"response": self._hear}}
        return super()._one_request(method, url, bounded, 0)

    def _hear(self, response: Response, **_: object) -> None:
        self._gate.heard(response.headers)


class AlpacaTrading:
    """One connection to the trading API. Not to be shared between threads; the gate is, by all of one account."""

    def __init__(
        self,
        key_id: str,
        secret_key: str,
        url: str | None,
        gate: ApiGate,
        retry: RetrySpec,
        *,
        paper: bool,
        clock: Clock,
    ) -> None:
        """`url` is alpaca-py's `url_override`: paper, live and simulator differ by it alone."""
        self._client = _Client(key_id, secret_key, url, gate, paper=paper)
        self._gate = gate
        self._retry = retry
        self._clock = clock

    def submit(self, ready: ReadyOrder) -> SubmitAnswered | SubmitRefused | SubmitUnanswered:
        """Posts an order, and finds out what became of it, within bounded time and at most once in effect.

        What was never sent is refused, whatever the reason: unanswered is only what the broker may have.
        """
        client, lost = ready.order.client_order_id, False
        try:
            for attempt in self._attempts():
                with attempt:
                    try:
                        return SubmitAnswered(self._submit_once(ready, again=lost))
                    except NotSentError:
                        raise
                    except AnswerLostError:
                        lost = True
                        raise
        except BrokerError as error:
            return SubmitUnanswered(client, str(error)) if lost else SubmitRefused(client, str(error))
        raise AssertionError("a retry context returns or raises")

    def cancel(self, order_id: str) -> None:
        """Asks for a cancel; the stream tells whether it came about. Raises `BrokerError`."""
        for attempt in self._attempts():
            with attempt:
                self._call(
                    self._gate.passing(ApiCall.CANCEL), lambda _: None, self._client.delete, f"/orders/{order_id}"
                )

    def snapshot(self, since_ns: int, fills_since_ns: int, look_up: Sequence[str]) -> Snapshot:
        """Everything since a broker's times (0: at first contact), the orders of `look_up`. Raises `BrokerError`."""
        return AlpacaSnapshot(self._question).take(since_ns, fills_since_ns, look_up)

    def _submit_once(self, ready: ReadyOrder, *, again: bool) -> OrderUpdate:
        client = ready.order.client_order_id
        found = self._look_up(client) if again else None
        if found is not None:
            return found
        left_ns = ready.order.valid_until_ns - self._clock.now_ns()
        if left_ns < 0:
            raise BrokerError("the signal is past its valid-until: not sent")
        passing = self._gate.passing(ApiCall.PLACE, self._clock.monotonic_ns() + left_ns, ready.order.reservation_id)
        try:
            return self._call(passing, order_update, self._client.post, "/orders", ready.body)
        except RequestRefusedError as error:
            if error.status != 422 or _NOT_UNIQUE not in str(error):
                raise
            return self._find_known(client)

    def _find_known(self, client: str) -> OrderUpdate:
        try:
            found = self._look_up(client)
        except BrokerError as error:
            raise AnswerLostError(str(error)) from None
        if found is None:
            raise AnswerLostError(f"the broker has an order {client}, and does not show it")
        return found

    def _look_up(self, client: str) -> OrderUpdate | None:
        return _unless_missing(
            lambda: self._call(
                self._gate.passing(ApiCall.LOOK_UP), order_update, self._client.get_order_by_client_id, client
            )
        )

    def _question(self, reader: Callable[[Any], T], path: str, params: Mapping[str, Any] = _NONE, /) -> T:
        for attempt in self._attempts():
            with attempt:
                return self._call(self._gate.passing(ApiCall.ASK), reader, self._client.get, path, dict(params))
        raise AssertionError("a retry context returns or raises")

    def _call(
        self,
        passing: AbstractContextManager[None],
        reader: Callable[[Any], T],
        request: Callable[..., Any],
        *arguments: object,
    ) -> T:
        with passing:
            try:
                raw = request(*arguments)
            except APIError as error:
                raise refusal(error, self._clock.now_ns()) from None
            except RequestException as error:
                raise loss(error) from None
            try:
                return reader(raw)
            except (InputError, AttributeError, TypeError) as error:
                raise AnswerLostError(f"the broker's answer cannot be read: {error}") from None

    def _attempts(self) -> Iterator[stamina.Attempt]:
        """Attempts with exponential backoff and jitter between them, as the manifest wants them."""
        wait_initial_s = self._retry.initial_ms / _MS_PER_S
        for attempt in stamina.retry_context(
            on=_worth_retrying,
            attempts=self._retry.max_attempts,
            timeout=None,
            wait_initial=wait_initial_s,
            wait_max=self._retry.max_ms / _MS_PER_S,
            wait_jitter=wait_initial_s,
        ):
            if attempt.num > 1:
                self._gate.count_retry()
            yield attempt


def _worth_retrying(error: Exception) -> bool:
    """What was lost, and what was refused for its rate only: the gate keeps that until it may go."""
    return isinstance(error, AnswerLostError | RateLimitedError)


def _unless_missing(ask: Callable[[], OrderUpdate]) -> OrderUpdate | None:
    try:
        return ask()
    except RequestRefusedError as error:
        if error.status == 404:
            return None
        raise
