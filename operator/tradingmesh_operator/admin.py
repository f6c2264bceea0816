"""Admin HTTP of the operator: `/metrics`, `/healthz`, `/readyz`."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


async def serve(
    host: str, port: int, registry: CollectorRegistry, problems: Callable[[], list[str]], waits: Callable[[], list[str]]
) -> tuple[web.AppRunner, int]:
    """Listens, and returns what to clean up and the port. `/healthz` fails with problems, `/readyz` with waits as well.

    It answers from the loop in which the work is done: one that hangs does not answer.
    """

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def healthz(_: web.Request) -> web.Response:
        return _told(problems())

    async def readyz(_: web.Request) -> web.Response:
        return _told([*problems(), *waits()])

    app = web.Application()
    app.add_routes([web.get("/metrics", metrics), web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])


def _told(reasons: list[str]) -> web.Response:
    return web.json_response({"good": not reasons, "reasons": reasons}, status=503 if reasons else 200)
