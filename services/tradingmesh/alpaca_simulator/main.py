"""`tradingmesh run alpaca-simulator`: an aiohttp program with the admin endpoints of every other component."""

import asyncio
import signal
import time
from typing import Any

from aiohttp import web

from tradingmesh import __version__
from tradingmesh.adapters.tape import OpenTape, open_tape
from tradingmesh.adapters.zmq_sockets import holder_of
from tradingmesh.alpaca_simulator.account import Account
from tradingmesh.alpaca_simulator.app import Simulator, Telemetry
from tradingmesh.alpaca_simulator.http import REQUESTS_PER_MINUTE, Keys, RateLimit
from tradingmesh.contract import Component, TradingSystem
from tradingmesh.core.errors import ConfigError, InputError
from tradingmesh.runtime.admin import Admin
from tradingmesh.runtime.manifest_file import ManifestFile
from tradingmesh.runtime.settings import Settings, load_manifest
from tradingmesh.telemetry.logs import configure
from tradingmesh.telemetry.metrics import Metrics

_HEARTBEAT_S = 0.5
_CLOSE_WITHIN_S = 2.0


class Program:
    """The simulator as a process: its ports, its health, its end."""

    def __init__(self, settings: Settings, system: TradingSystem) -> None:
        spec = system.spec
        component = Component.ALPACA_SIMULATOR.value
        self._settings = settings
        self._instance = settings.instance or component
        self._epoch = time.time_ns() // 1_000_000
        self._metrics = Metrics(component=component, system=system.metadata.name)
        self._metrics.gauge("component_info", lambda: 1, version=__version__, mode=spec.mode.value)
        self._log = configure(settings.log_level, component=component, instance=self._instance)
        self._manifest = ManifestFile(
            settings.system_file,
            Component.ALPACA_SIMULATOR,
            spec,
            system.metadata.generation,
            self._metrics,
            self._log,
        )
        self._telemetry = Telemetry(self._metrics, self._log)
        self._keys = _keys(settings)
        account = Account(spec.broker.simulator.cash, spec.broker.commission_per_share)
        # The start time is part of every id: a ledger that outlives a run must not take a new fill for an old one.
        name = f"{self._instance}/{spec.broker.simulator.seed}/{self._epoch}"
        speed = spec.broker.simulator.speed
        tape = _tape(system)
        self._left_out = tape.skipped
        self._simulator = Simulator(
            tape,
            spec.symbols,
            speed,
            account,
            name,
            self._keys,
            self._telemetry,
            hold=settings.simulator_hold,
        )
        self._simulator.faults.inject(spec.broker.simulator.faults)
        self._not_ready = ["starting"]
        self._last_turn_s = time.monotonic()

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT. Raises `ConfigError` where a port is taken."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        limit = RateLimit(REQUESTS_PER_MINUTE, time.time)
        app = self._simulator.application(limit, self._keys, self._telemetry)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_CLOSE_WITHIN_S)
        await runner.setup()
        admin = Admin(
            self._metrics.registry,
            last_turn_s=lambda: self._last_turn_s,
            not_ready=lambda: self._not_ready,
            config=self._config,
        )
        try:
            port = await self._listen(runner)
            admin_port = admin.start(self._settings.admin_host, self._settings.admin_port)
            self._not_ready = []
            for skip, place in self._left_out.first.items():
                self._log.warning("tape rows left out", why=skip.words, rows=self._left_out[skip], first=place)
            self._log.info("started", port=port, admin_port=admin_port, epoch=self._epoch, version=__version__)
            tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._play())]
            await stop.wait()
            for task in tasks:
                task.cancel()
        finally:
            admin.close()
            await runner.cleanup()
        self._log.info("stopped")

    async def _listen(self, runner: web.AppRunner) -> int:
        host, port = self._settings.bind_host, self._settings.simulator_port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            why = f"{error.strerror}{holder_of(port)}"
            raise ConfigError(f"simulator port {port} cannot be used: {why}; set TRADINGMESH_SIMULATOR_PORT") from None
        return int(runner.addresses[0][1])

    async def _play(self) -> None:
        try:
            await self._simulator.play()
        except InputError as error:
            self._not_ready = [f"tape: {error}"]
            self._log.error("the tape cannot be played on", error=str(error))
        else:
            self._log.info("the tape is played", events=self._simulator.player.progress.published)

    async def _beat(self) -> None:
        while True:
            self._last_turn_s = time.monotonic()
            self._manifest.look()
            await asyncio.sleep(_HEARTBEAT_S)

    def _config(self) -> dict[str, Any]:
        return {
            "component": Component.ALPACA_SIMULATOR.value,
            "instance": self._instance,
            "version": __version__,
            "epoch": self._epoch,
            **self._manifest.told(),
            "status": self._simulator.summary(),
            "metrics": self._metrics.snapshot(),
        }


def main(settings: Settings) -> None:
    """Runs the simulator until SIGTERM. Raises `ConfigError` or `InputError` where it cannot start."""
    asyncio.run(Program(settings, load_manifest(settings.system_file)).run())


def _keys(settings: Settings) -> Keys:
    keys = Keys(settings.apca_api_key_id, settings.apca_api_secret_key.get_secret_value())
    if not all(keys):
        raise ConfigError("APCA_API_KEY_ID and APCA_API_SECRET_KEY: the simulator must be told which keys it knows")
    return keys


def _tape(system: TradingSystem) -> OpenTape:
    spec = system.spec.broker.simulator
    return open_tape(
        spec.tape,
        system.spec.symbols,
        bad_rows=spec.bad_rows,
        seed=spec.seed,
        duration_ms=spec.duration_ms,
        ticks_per_second=spec.ticks_per_second,
    )
