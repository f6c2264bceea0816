"""`tradingmesh-operator`: runs until SIGTERM. Without its Lease it only waits."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import kopf
from pydantic import ValidationError

from tradingmesh_operator.admin import serve
from tradingmesh_operator.api import Api
from tradingmesh_operator.controller import Controller
from tradingmesh_operator.errors import OperatorError
from tradingmesh_operator.handlers import configured, registered
from tradingmesh_operator.lease import Lease
from tradingmesh_operator.login import login
from tradingmesh_operator.metrics import Metrics
from tradingmesh_operator.objects import Key
from tradingmesh_operator.settings import Settings

log = logging.getLogger("tradingmesh_operator")


async def run(settings: Settings, stop: asyncio.Event, take_signals: Callable[[], None]) -> bool:
    """Works while it holds the Lease, until it is told to stop; returns False where the Lease was lost.

    What is under way then is cut off: whoever works next finds it as it is and goes on.
    """
    api = Api(login, timeout_s=settings.request_timeout_s, at_once=settings.requests_at_once)
    metrics, watching = Metrics(), asyncio.Event()
    # A connection of its own: the Lease must not wait behind the requests of a hundred systems.
    lease_api = Api(login, timeout_s=settings.lease_duration_s / 4, at_once=1)
    lease = Lease(lease_api, Key(settings.namespace, settings.lease), settings.instance, settings.lease_duration_s)
    metrics.leading.set_function(lambda: float(lease.held))
    controller = Controller(settings, api, metrics, lambda: lease.held)

    def stuck() -> list[str]:
        idle_s = controller.idle_s
        return [f"no reconcile has ended for {idle_s:.0f} s"] if idle_s > settings.heartbeat_max_s else []

    def waits() -> list[str]:
        return ["it does not watch yet"] if lease.held and not watching.is_set() else []

    async def watch() -> None:
        await watching.wait()
        take_signals()  # kopf has just taken them for itself, and takes seconds to stop
        await stop.wait()

    admin, port = await serve(settings.admin_host, settings.admin_port, metrics.registry, stuck, waits)
    log.info("admin HTTP on port %d", port)
    try:
        take_signals()
        if not await _first(stop.wait(), lease.acquire()):
            return True
        try:
            return await _first(lease.keep(), watch(), controller.run(), _operator(settings, controller, watching)) != 0
        finally:
            await lease.release()
    finally:
        await admin.cleanup()
        await lease_api.close()
        await api.close()


async def _operator(settings: Settings, controller: Controller, watching: asyncio.Event) -> None:
    namespaces = settings.watch_namespaces
    await kopf.operator(
        registry=registered(controller),
        settings=configured(),
        clusterwide=not namespaces,
        namespaces=namespaces,
        ready_flag=watching,
    )


async def _first(*works: Coroutine[Any, Any, object]) -> int:
    """Runs all until one ends, cuts the others off, and returns which it was. Raises what that one raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(number for number, task in enumerate(tasks) if task.done())
        tasks[first].result()
        return first
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """The console script. Exits with 1 where the Lease was lost, with 2 where it is told wrongly."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        sys.exit(f"environment: TRADINGMESH_OPERATOR_{str(first['loc'][0]).upper()}: {first['msg']}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("kopf", "asyncio", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        good = asyncio.run(_until_signal(settings))
    except (OperatorError, kopf.LoginError, OSError) as error:
        sys.exit(f"tradingmesh-operator: {error}")
    sys.exit(0 if good else 1)


async def _until_signal(settings: Settings) -> bool:
    stop = asyncio.Event()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    return await run(settings, stop, take_signals)


if __name__ == "__main__":
    main()
