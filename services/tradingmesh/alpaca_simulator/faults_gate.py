"""The faults of HTTP answers, as a gateway in front of the broker would have them: outside of keys and rate limit."""

import asyncio
import socket
import struct
import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.http import REQUESTS_PER_MINUTE, answer
from tradingmesh.alpaca_simulator.refusals import too_many_requests
from tradingmesh.contract import FaultKind, FaultSpec

_GATEWAY = {502: "Bad Gateway", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out"}
_LINGER_0 = struct.pack("ii", 1, 0)


def faulty_gateway(faults: Faults, spared: frozenset[str]) -> Middleware:
    """The middleware round everything but the resources `spared`: the websockets and the simulator's own."""

    @web.middleware
    async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        if resource is not None and resource.canonical in spared:
            return await handler(request)
        fate = faults.request_fate(request.method, request.path)
        if fate.before_s:
            await request.read()  # it is under way: that the client goes away meanwhile does not take it back
        await asyncio.sleep(fate.before_s)
        if fate.end is not None and not fate.end.acted:
            return _ended(request, fate.end)
        response = await handler(request)
        await asyncio.sleep(fate.after_s)
        return response if fate.end is None else _ended(request, fate.end)

    return pass_on


def _ended(request: web.Request, end: FaultSpec) -> web.Response:
    if end.what is FaultKind.RESET:
        _reset(request)
        return web.Response()  # nobody hears it: the connection is gone
    if end.code == 429:
        return _too_many(end.retry_after_ms)
    if end.code == 500:
        return answer({"code": 50010000, "message": "internal server error occurred"}, 500)
    return _gateway_page(end.code or 0)


def _reset(request: web.Request) -> None:
    """Ends the connection so that the client reads "connection reset by peer"."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0)
        transport.abort()


def _too_many(retry_after_ms: int) -> web.Response:
    """Alpaca's 429, with the headers that tell when to come again."""
    refusal = too_many_requests()
    response = answer(refusal.body(), refusal.status)
    wait_s = -(-retry_after_ms // 1_000)
    response.headers["Retry-After"] = str(wait_s)
    response.headers["X-RateLimit-Limit"] = str(REQUESTS_PER_MINUTE)
    response.headers["X-RateLimit-Remaining"] = "0"
    response.headers["X-RateLimit-Reset"] = str(int(time.time()) + wait_s)
    return response


def _gateway_page(status: int) -> web.Response:
    """What a gateway says for a broker that does not answer: a page, not JSON."""
    title = f"{status} {_GATEWAY[status]}"
    page = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><h1>{title}</h1></body>\r\n</html>\r\n"
    return web.Response(text=page, status=status, content_type="text/html")
