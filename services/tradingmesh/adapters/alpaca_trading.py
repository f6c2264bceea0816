"""Alpaca's trading REST through alpaca-py's `TradingClient`: blocking calls, to be made from a worker thread.

alpaca-py has no HTTP timeout, and retries 429 and 504 by itself, POST included, sleeping in between. Both end here, in
one override. What this module does instead: an answer that was lost (timeout, reset, 5xx) may have been acted on, so
the order is looked up by its `client_order_id` before it is sent again, and never sent after its valid-until. From then
on only the order itself is an answer: a refusal of any question does not say that the first POST came to nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec
import stamina

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from requests import RequestException

from tradingmesh.adapters.alpaca_trading_json import clock_ns, fill_update, order_update, rfc3339
from tradingmesh.core.errors import BrokerError, InputError
from tradingmesh.core.orders.effects import Snapshot, SubmitAnswered, SubmitRefused, SubmitUnanswered
from tradingmesh.core.orders.record import OrderUpdate
from tradingmesh.ports import Clock, ReadyOrder

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 5.0
ORDERS_PAGE = 500
FILLS_PAGE = 100
PAGES_MAX = 500
RATE_WAIT_MAX_S = 5.0
_ORDER_REFUSED = range(40_000_000, 43_000_000)
_NOT_UNIQUE = "must be unique"

T = TypeVar("T")


class AnswerLostError(BrokerError):
    """No answer, or one that does not say whether the request was acted on."""


class RequestRefusedError(BrokerError):
    """The broker said no, and did nothing. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KeysRefusedError(RequestRefusedError):
    """The broker does not take our keys."""


class RateLimitedError(RequestRefusedError):
    """Too many requests: ask again after `wait_s`."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(429, message)
        self.wait_s = wait_s


class _Client(TradingClient):
    def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:  # noqa: ARG002 - as alpaca-py calls it
        bounded = {**opts, "timeout": (CONNECT_TIMEOUT_S, READ_TIMEOUT_S)}
        return super()._one_request(method, url, bounded, 0)


class AlpacaTrading:
    """One connection to the trading API. Not to be shared between threads."""

    def __init__(self, key_id: str, secret_key: str, url: str | None, *, paper: bool, clock: Clock) -> None:
        """`url` is alpaca-py's `url_override`: paper, live and simulator differ by it alone."""
        self._client = _Client(key_id or "none", secret_key or "none", paper=paper, raw_data=True, url_override=url)
        self._clock = clock

    def submit(self, ready: ReadyOrder) -> SubmitAnswered | SubmitRefused | SubmitUnanswered:
        """Posts an order, and finds out what became of it, within bounded time and at most once in effect."""
        client, lost = ready.order.client_order_id, False
        try:
            for attempt in stamina.retry_context(**_RETRIES):
                with attempt:
                    try:
                        return SubmitAnswered(self._submit_once(ready, again=attempt.num > 1))
                    except AnswerLostError:
                        lost = True
                        raise
        except BrokerError as error:
            return SubmitUnanswered(client, str(error)) if lost else SubmitRefused(client, str(error))
        raise AssertionError("a retry context returns or raises")

    def cancel(self, order_id: str) -> None:
        """Asks for a cancel; the stream tells whether it came about. Raises `BrokerError`."""
        for attempt in stamina.retry_context(**_RETRIES):
            with attempt:
                _call(self._client.delete, f"/orders/{order_id}")

    def find(self, client_order_id: str) -> OrderUpdate | None:
        """The order of that client order id; None where the broker has none. Raises `BrokerError`."""
        try:
            raw = _call(self._client.get_order_by_client_id, client_order_id)
        except RequestRefusedError as error:
            if error.status == 404:
                return None
            raise
        return _read(order_update, raw)

    def snapshot(self, since_ns: int, look_up: Sequence[str]) -> Snapshot:
        """Every open order, every order and fill since a broker's time (0: none), and the orders of `look_up`.

        Raises `BrokerError`.
        """
        broker_ns = _read(clock_ns, _call(self._client.get_clock))
        orders = {update.order_id: update for update in self._orders("open", 0)}
        if since_ns:
            orders.update((update.order_id, update) for update in self._orders("all", since_ns))
        listed = {update.client_order_id for update in orders.values()}
        missing = []
        for client in look_up:
            found = None if client in listed else self.find(client)
            if found is not None:
                orders[found.order_id] = found
            elif client not in listed:
                missing.append(client)
        fills = tuple(self._fills(since_ns)) if since_ns else ()
        return Snapshot(broker_ns, tuple(orders.values()), fills, tuple(missing))

    def _submit_once(self, ready: ReadyOrder, *, again: bool) -> OrderUpdate:
        client = ready.order.client_order_id
        found = self.find(client) if again else None
        if found is not None:
            return found
        if self._clock.now_ns() > ready.order.valid_until_ns:
            raise BrokerError("the signal is past its valid-until: not sent")
        try:
            raw = _call(self._client.post, "/orders", ready.body)
        except RequestRefusedError as error:
            if error.status != 422 or _NOT_UNIQUE not in str(error):
                raise
            return self._find_known(client)
        return _read(order_update, raw)

    def _find_known(self, client: str) -> OrderUpdate:
        try:
            found = self.find(client)
        except RequestRefusedError as error:
            raise AnswerLostError(str(error)) from None
        if found is None:
            raise AnswerLostError(f"the broker has an order {client}, and does not show it")
        return found

    def _orders(self, status: str, since_ns: int) -> Iterator[OrderUpdate]:
        """Oldest first. Pages overlap by a microsecond, as `after` leaves out its own time."""
        seen: set[str] = set()
        for _ in range(PAGES_MAX):
            params = {"status": status, "limit": ORDERS_PAGE, "direction": "asc", "nested": "false"}
            if since_ns:
                params["after"] = rfc3339(since_ns)
            page = [
                _read(order_update, raw) for raw in _call(lambda params=params: self._client.get("/orders", params))
            ]
            fresh = [update for update in page if update.order_id not in seen]
            seen.update(update.order_id for update in fresh)
            yield from fresh
            if len(page) < ORDERS_PAGE or not fresh:
                return
            since_ns = fresh[-1].created_ns - 1_000
        raise BrokerError(f"more than {PAGES_MAX} pages of orders since {rfc3339(since_ns)}")

    def _fills(self, since_ns: int) -> Iterator[OrderUpdate]:
        params: dict[str, Any] = {"after": rfc3339(since_ns), "direction": "asc", "page_size": FILLS_PAGE}
        for _ in range(PAGES_MAX):
            page = _rows(_call(self._client.get, "/account/activities/FILL", params))
            for raw in page:
                yield _read(fill_update, raw)
            if len(page) < FILLS_PAGE:
                return
            params["page_token"] = page[-1]["id"]
        raise BrokerError(f"more than {PAGES_MAX * FILLS_PAGE} fills since {rfc3339(since_ns)}")


def _call(request: Callable[..., Any], *arguments: object) -> Any:
    try:
        return request(*arguments)
    except APIError as error:
        raise _refusal(error) from None
    except RequestException as error:
        raise AnswerLostError(f"no answer from the broker: {type(error).__name__}: {error}") from None


def _read(reader: Callable[[Any], T], raw: Any) -> T:
    try:
        return reader(raw)
    except (InputError, AttributeError) as error:
        raise AnswerLostError(f"the broker's answer cannot be read: {error}") from None


def _rows(raw: Any) -> list[Any]:
    if not isinstance(raw, list):
        raise AnswerLostError("the broker's answer cannot be read: a list belongs there")
    return raw


def _refusal(error: APIError) -> BrokerError:
    status = error.status_code or 0
    code, message = _body(str(error))
    sentence = f"the broker answers {status}: {message}"
    if status == 429:
        return RateLimitedError(sentence, _wait_s(error))
    if status >= 500 or status < 400:
        return AnswerLostError(sentence)
    if status == 401 or (status == 403 and code not in _ORDER_REFUSED):
        return KeysRefusedError(status, f"{sentence}; check APCA_API_KEY_ID and APCA_API_SECRET_KEY")
    return RequestRefusedError(status, sentence)


def _body(text: str) -> tuple[int, str]:
    """Alpaca's code and message; the start of the text where it is something else, such as a proxy's HTML."""
    try:
        body = msgspec.json.decode(text, type=dict[str, Any])
        return int(body.get("code") or 0), str(body.get("message", text))[:300]
    except (msgspec.MsgspecError, ValueError, TypeError):
        return 0, " ".join(text.split())[:300]


def _wait_s(error: APIError) -> float:
    response = error.response
    text = response.headers.get("Retry-After", "") if response is not None else ""
    return min(float(text), RATE_WAIT_MAX_S) if text.isdecimal() else 1.0


def _worth_retrying(error: Exception) -> bool | float:
    if isinstance(error, RateLimitedError):
        return error.wait_s
    return isinstance(error, AnswerLostError)


_RETRIES: dict[str, Any] = {
    "on": _worth_retrying,
    "attempts": 5,
    "timeout": 15.0,
    "wait_initial": 0.2,
    "wait_max": 2.0,
    "wait_jitter": 0.2,
}
