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
from tradingmesh_operator.lease import ANSWER_WITHIN, Lease
from tradingmesh_operator.login import login
from tradingmesh_operator.metrics import Metrics
from tradingmesh_operator.objects import SYSTEMS, Key
from tradingmesh_operator.settings import Settings
from tradingmesh_operator.traces import otlp

_LOOK_AGAIN_S = 2.0

log = logging.getLogger("tradingmesh_operator")


async def run(settings: Settings, stop: asyncio.Event, take_signals: Callable[[], None]) -> bool:
    """Works while it holds the Lease, until it is told to stop; returns False where the Lease was lost.

    What is under way then is cut off: whoever works next finds it as it is and goes on.
    """
    api = Api(login, timeout_s=settings.request_timeout_s, at_once=settings.requests_at_once)
    metrics, watching = Metrics(), asyncio.Event()
    # A connection of its own: the Lease must not wait behind the requests of a hundred systems.
    lease_api = Api(login, timeout_s=settings.lease_duration_s * ANSWER_WITHIN, at_once=1)
    lease = Lease(lease_api, Key(settings.namespace, settings.lease), settings.instance, settings.lease_duration_s)
    metrics.leading.set_function(lambda: float(lease.held))
    traces = otlp(settings.otlp_endpoint, settings.instance)
    controller = Controller(settings, api, metrics, lambda: lease.held, traces)
    lease.on_answer = controller.answered

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
        # Until the Lease was over, its holder may still have worked.
        if lease.unattended_s > settings.lease_duration_s:
            controller.unattended(lease.unattended_s)
        try:
            return (
                await _first(lease.keep(), watch(), controller.run(), _operator(settings, api, controller, watching))
                != 0
            )
        finally:
            await lease.release()
    finally:
        await admin.cleanup()
        await lease_api.close()
        await api.close()
        await traces.close()


async def _operator(settings: Settings, api: Api, controller: Controller, watching: asyncio.Event) -> None:
    namespaces = settings.watch_namespaces
    while not await _defined(api):  # noqa: ASYNC110 - it is a person who is waited for
        await asyncio.sleep(_LOOK_AGAIN_S)
    await kopf.operator(
        # Kopf would look up the user's name, and an image's user has none. The type is a str that it does not export.
        identity=settings.instance,  # type: ignore[arg-type]
        registry=registered(controller),
        settings=configured(stalled_after_s=settings.watch_stalled_s, everywhere=not namespaces),
        clusterwide=not namespaces,
        namespaces=namespaces,
        ready_flag=watching,
    )


async def _defined(api: Api) -> bool:
    """Whether the cluster knows TradingSystems."""
    try:
        if await api.serves(SYSTEMS):
            return True
        log.warning("TradingSystems are not defined here: install manifests/crd.yaml, or set the chart's installCRD")
    except OperatorError as error:
        log.warning("%s", error)
    return False


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
