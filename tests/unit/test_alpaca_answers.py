"""What an answer of the broker's API means: refused, lost, never sent, or too fast; and what its headers tell."""

import json
from typing import Any

import pytest

from tradingmesh.adapters import alpaca_answers
from tradingmesh.adapters.alpaca_answers import (
    RATE_WAIT_NS,
    AnswerLostError,
    KeysRefusedError,
    NotSentError,
    RateLimitedError,
    RequestRefusedError,
    loss,
    quota,
    rate_wait_ns,
    refusal,
)
from tradingmesh.core.errors import BrokerError
from tradingmesh.core.orders.api_pace import Quota

# isort: split
from alpaca.common.exceptions import APIError
from requests import ConnectionError as NoConnectionError
from requests import ConnectTimeout, HTTPError, ReadTimeout, Response
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

S = 1_000_000_000
NOW_S = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
"""NOW_S, as HTTP writes it."""
LATER = "Tue, 14 Nov 2023 22:13:27 GMT"


def answered(status: int, body: Any = "", **headers: str) -> APIError:
    response = Response()
    response.status_code = status
    response.headers.update(headers)
    text = body if isinstance(body, str) else json.dumps(body)
    return APIError(text, HTTPError(response=response))  # type: ignore[no-untyped-call]  # theirs


def rate_headers(left: str = "0", limit: str = "200", reset: str = str(NOW_S + 7)) -> dict[str, str]:
    return {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": left, "X-RateLimit-Reset": reset}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"code": 40010000, "message": "bad"}, RequestRefusedError),
        (401, {}, KeysRefusedError),
        (403, {"code": 40310000, "message": "insufficient buying power"}, RequestRefusedError),
        (403, "forbidden.", KeysRefusedError),
        (404, {}, RequestRefusedError),
        (422, {"code": 42210000, "message": "qty must be > 0"}, RequestRefusedError),
        (429, {"message": "too many requests."}, RateLimitedError),
        (500, {"code": 50010000}, AnswerLostError),
        (502, "<html>Bad Gateway</html>", AnswerLostError),
        (503, "", AnswerLostError),
        (504, "\x00", AnswerLostError),
        (302, "", AnswerLostError),
    ],
)
def test_what_a_status_means(status: int, body: Any, kind: type[Exception]) -> None:
    """A refusal did nothing; whatever a server or a gateway says of its own troubles leaves it open."""
    error = refusal(answered(status, body), NOW_S * S)
    assert type(error) is kind
    assert str(status) in str(error)


def test_what_was_never_sent_is_told_from_what_was_lost() -> None:
    """Only a connection that did not come about says for certain that the broker has nothing."""
    refused = NewConnectionError(None, "refused")  # type: ignore[arg-type]  # it is only printed
    unconnected = [ConnectTimeout("late"), NoConnectionError(MaxRetryError(None, "/", refused))]  # type: ignore[arg-type]
    lost = [
        ReadTimeout("late"),
        NoConnectionError(ProtocolError("reset")),
        NoConnectionError(MaxRetryError(None, "/", ProtocolError("reset"))),  # type: ignore[arg-type]
        NoConnectionError(),
    ]
    assert [type(loss(error)) for error in unconnected] == [NotSentError] * 2
    assert [type(loss(error)) for error in lost] == [AnswerLostError] * 4


@pytest.mark.parametrize(
    ("headers", "wait_ns"),
    [
        ({"Retry-After": "3"}, 3 * S),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": LATER}, 7 * S),
        ({"Retry-After": LATER.removesuffix(" GMT") + " -0000"}, 7 * S),
        ({"Retry-After": "3", **rate_headers()}, 3 * S),
        ({"Retry-After": "soon", **rate_headers()}, 7 * S),
        (rate_headers(), 7 * S),
        (rate_headers(reset="soon"), RATE_WAIT_NS),
        ({}, RATE_WAIT_NS),
    ],
)
def test_how_long_a_429_says_to_wait(headers: dict[str, str], wait_ns: int) -> None:
    """Retry-After in seconds or as a date, else Alpaca's own header, else a second."""
    assert rate_wait_ns(headers, NOW_S * S) == wait_ns
    error = refusal(answered(429, {}, **headers), NOW_S * S)
    assert isinstance(error, RateLimitedError)
    assert error.wait_ns == wait_ns


def test_waits_are_by_the_brokers_clock() -> None:
    """Ours may be five minutes off: where the answer has a date, that is what its times are counted from."""
    for ours_s in (NOW_S - 300, NOW_S, NOW_S + 300):
        assert rate_wait_ns({"Date": DATE, "Retry-After": LATER}, ours_s * S) == 7 * S
        assert rate_wait_ns({"Date": DATE, **rate_headers()}, ours_s * S) == 7 * S


def test_quota_of_every_answer() -> None:
    """Three numbers, or nothing is known."""
    assert quota({"Date": DATE, **rate_headers("41")}, 0) == Quota(200, 41, NOW_S + 7, 7 * S)
    for broken in ({}, rate_headers(left="-1"), rate_headers(limit="many"), rate_headers(reset="1.5")):
        assert quota(broken, NOW_S * S) is None


def test_every_error_is_the_brokers() -> None:
    """Whoever calls catches one kind, and no answer ends in a stack trace."""
    kinds = [kind for kind in vars(alpaca_answers).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    ours = [kind for kind in kinds if kind.__module__ == alpaca_answers.__name__]
    assert len(ours) == 6
    assert all(issubclass(kind, BrokerError) for kind in ours)
