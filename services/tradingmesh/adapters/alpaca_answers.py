"""What an answer of Alpaca's REST API means, and what its headers say of the rate.

Three things are told apart, for money hangs on it: the broker said no and did nothing; nobody knows whether it did
anything; the request never left.
"""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
from alpaca.common.exceptions import APIError
from requests import ConnectTimeout, RequestException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from tradingmesh.core.errors import BrokerError
from tradingmesh.core.orders.api_pace import Quota

RATE_WAIT_NS = 1_000_000_000
"""The wait after a 429 that names none."""
_NS_PER_S = 1_000_000_000
_ORDER_REFUSED = range(40_000_000, 43_000_000)
Headers = Mapping[str, str]


class CallRefusedError(BrokerError):
    """The call was not made: the breaker is open, or the rate limit outlasts the time that the call has."""


class AnswerLostError(BrokerError):
    """No answer, or one that does not say whether the request was acted on."""


class NotSentError(AnswerLostError):
    """There was no connection: the request never left."""


class RequestRefusedError(BrokerError):
    """The broker said no, and did nothing. `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class KeysRefusedError(RequestRefusedError):
    """The broker does not take our keys."""


class RateLimitedError(RequestRefusedError):
    """Too many requests: none of this account before `wait_ns` are over."""

    def __init__(self, message: str, wait_ns: int) -> None:
        super().__init__(429, message)
        self.wait_ns = wait_ns


def refusal(error: APIError, now_ns: int) -> BrokerError:
    """What an answer with an error status means. `now_ns` is our wall time, for a broker that does not tell its own."""
    status = error.status_code or 0
    code, message = _body(str(error))
    sentence = f"the broker answers {status}: {message}"
    if status == 429:
        headers = error.response.headers if error.response is not None else {}
        return RateLimitedError(sentence, rate_wait_ns(headers, now_ns))
    if status >= 500 or status < 400:
        return AnswerLostError(sentence)
    if status == 401 or (status == 403 and code not in _ORDER_REFUSED):
        return KeysRefusedError(status, f"{sentence}; check APCA_API_KEY_ID and APCA_API_SECRET_KEY")
    return RequestRefusedError(status, sentence)


def loss(error: RequestException) -> AnswerLostError:
    """What it means that there is no answer."""
    cause = error.args[0] if error.args else None
    unconnected = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
    sentence = f"{type(error).__name__}: {error}"
    if isinstance(error, ConnectTimeout) or unconnected:
        return NotSentError(f"no connection to the broker: {sentence}")
    return AnswerLostError(f"no answer from the broker: {sentence}")


def quota(headers: Headers, now_ns: int) -> Quota | None:
    """What `X-RateLimit-...` say, which Alpaca sends with every answer; None where they are missing or no numbers."""
    texts = [headers.get(f"X-RateLimit-{name}", "") for name in ("Limit", "Remaining", "Reset")]
    if not all(text.isdecimal() for text in texts):
        return None
    limit, left, reset_s = (int(text) for text in texts)
    return Quota(limit, left, reset_s, reset_s * _NS_PER_S - _broker_ns(headers, now_ns))


def rate_wait_ns(headers: Headers, now_ns: int) -> int:
    """How long a 429 says to wait: `Retry-After` (RFC 9110, 10.2.3), else until the quota is reset, as Alpaca does."""
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return int(text) * _NS_PER_S
    until_ns = _date_ns(text)
    if until_ns is not None:
        return until_ns - _broker_ns(headers, now_ns)
    told = quota(headers, now_ns)
    return told.resets_in_ns if told is not None else RATE_WAIT_NS


def _broker_ns(headers: Headers, now_ns: int) -> int:
    """The broker's own time, so that a wrong clock of ours makes no wait wrong."""
    told_ns = _date_ns(headers.get("Date", ""))
    return now_ns if told_ns is None else told_ns


def _date_ns(text: str) -> int | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * _NS_PER_S


def _body(text: str) -> tuple[int, str]:
    """Alpaca's code and message; the start of the text where it is something else, such as a proxy's HTML."""
    try:
        body = msgspec.json.decode(text, type=dict[str, Any])
        return int(body.get("code") or 0), str(body.get("message", text))[:300]
    except (msgspec.MsgspecError, ValueError, TypeError):
        return 0, " ".join(text.split())[:300]
