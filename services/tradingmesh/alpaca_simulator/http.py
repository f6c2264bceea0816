"""The HTTP shell: keys, rate limit, and the one place where every answer leaves.

Errors are JSON with a code and a message, always: alpaca-py parses the body of every error as JSON.
"""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.refusals import RefusalError, too_many_requests
from tradingmesh.telemetry.logs import Logger
from tradingmesh.telemetry.metrics import Metrics

DATA_PATHS = ("/v2/stocks", "/v1beta")
BODY_MAX_BYTES = 64 * 1024
REQUESTS_PER_MINUTE = 60_000
"""Alpaca allows 200; a tape that plays a day in a minute makes a day's requests in it.

See docs/decisions/0032-simulator-time-ids-and-limits.md.
"""

encode = msgspec.json.Encoder(decimal_format="string").encode


class Keys(NamedTuple):
    """The one pair of keys that this broker knows."""

    key_id: str
    secret_key: str

    def match(self, key_id: str, secret_key: str) -> bool:
        """Whether these are the keys."""
        same_id = hmac.compare_digest(_bytes(key_id), _bytes(self.key_id))
        return hmac.compare_digest(_bytes(secret_key), _bytes(self.secret_key)) and same_id


class RateLimit:
    """So many requests in each minute of `now_s`; what is over is refused until the next."""

    def __init__(self, per_minute: int, now_s: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._now_s = now_s
        self._minute = 0
        self._used = 0

    def take(self) -> None:
        """Counts a request. Raises `RefusalError` with status 429 once the minute is used up."""
        minute = int(self._now_s() // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        self._used += 1
        if self._used > self.per_minute:
            raise too_many_requests()

    def headers(self) -> dict[str, str]:
        """What every answer tells of the limit, a 429 too."""
        return {
            "X-RateLimit-Limit": str(self.per_minute),
            "X-RateLimit-Remaining": str(max(self.per_minute - self._used, 0)),
            "X-RateLimit-Reset": str((self._minute + 1) * 60),
        }


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=encode(body), status=status, content_type="application/json")


def gate(keys: Keys, open_to_all: frozenset[str], limit: RateLimit, metrics: Metrics, log: Logger) -> Middleware:
    """The middleware round everything: who may come in, and what goes out.

    The resources `open_to_all` need no keys in their headers: the websockets, which authenticate by message, and the
    simulator's own.
    """
    refused = metrics.counter("requests_refused")
    served = metrics.counter("requests_served")

    @web.middleware
    async def pass_gate(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in open_to_all:
            return await _guarded(handler, request, log)
        try:
            limit.take()
            _check_keys(request, keys)
        except RefusalError as refusal:
            response: web.StreamResponse = answer(refusal.body(), refusal.status)
        else:
            response = await _guarded(handler, request, log)
        response.headers.update(limit.headers())
        (refused if response.status >= 400 else served).inc()
        return response

    return pass_gate


def _check_keys(request: web.Request, keys: Keys) -> None:
    given = request.headers.get("APCA-API-KEY-ID", ""), request.headers.get("APCA-API-SECRET-KEY", "")
    if not keys.match(*given):
        if request.path.startswith(DATA_PATHS):
            raise RefusalError(403, 40310000, "forbidden.")
        raise refusals.unauthorized()


async def _guarded(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], request: web.Request, log: Logger
) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusalError as refusal:
        return answer(refusal.body(), refusal.status)
    except web.HTTPException as problem:
        return answer({"code": problem.status * 100_000 + 10_000, "message": problem.reason.lower()}, problem.status)
    except Exception:  # a client of ours must get Alpaca's JSON error, whatever goes wrong in here
        log.exception("a request failed", method=request.method, path=request.path)
        return answer({"code": 50010000, "message": "internal server error occurred"}, 500)
