"""The life of a component: settings, sockets, loop, admin HTTP; ready; SIGTERM, drain, flush, exit 0."""

import gc
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tradingmesh import __version__
from tradingmesh.adapters.zmq_sockets import SocketFactory
from tradingmesh.contract import Channel, Component, TradingSystem, TradingSystemSpec
from tradingmesh.contract.system import ObservabilitySpec
from tradingmesh.core.bus import EventBus
from tradingmesh.core.events import ComponentError, ComponentStarted, ComponentStopped, LinkLost
from tradingmesh.ports import Clock
from tradingmesh.runtime.admin import Admin
from tradingmesh.runtime.beat import BEAT_S, Beats
from tradingmesh.runtime.events import EventLog, Events
from tradingmesh.runtime.loop import Loop
from tradingmesh.runtime.manifest_file import LOOK_EVERY_S, ManifestFile
from tradingmesh.runtime.room import Waiting, keeps, lack_of_room
from tradingmesh.runtime.settings import Settings, load_manifest
from tradingmesh.telemetry.logs import Logger, configure
from tradingmesh.telemetry.metrics import Metrics
from tradingmesh.telemetry.tracing import Tracer, tracer
from tradingmesh.wire.header import NO_TRACE


class WallClock:
    """The machine's clock."""

    now_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)


class Context(NamedTuple):
    """Everything a service is given to build itself with."""

    component: Component
    settings: Settings
    spec: TradingSystemSpec
    epoch: int
    loop: Loop
    sockets: SocketFactory
    metrics: Metrics
    events: Events
    tracer: Tracer
    log: Logger
    clock: Clock
    manifest: ManifestFile

    @property
    def data_dir(self) -> Path:
        """This instance's own folder for durable state, made if need be."""
        folder = self.settings.instance_dir
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def sample_every(self) -> int:
        """One in how many traces is recorded; 0 is none."""
        return _sample_every(self.spec.observability)

    def traced(self, trace_id: str) -> bytes:
        """The trace of that id, where it is recorded; empty where it is not, and for a word that is none."""
        try:
            raw = bytes.fromhex(trace_id)
        except ValueError:
            return b""
        return raw if len(raw) == len(NO_TRACE) and self.tracer.samples(raw) else b""

    def tend_links(self) -> None:
        """Counts and tells the connections that were lost. Who asks for control leaves when it is answered: no loss."""
        for loss in self.sockets.links.tend(self.metrics):
            if loss.channel is Channel.CONTROL:
                continue
            told: dict[str, Any] = {"channel": loss.channel.value, "peer": loss.peer, "lost": loss.lost}
            self.log.warning("link lost", **told)
            self.events.emit(LinkLost, instance=self.settings.instance, **told)

    def on_gap(self) -> Callable[[str, int, int], None]:
        """Warns of a gap; the log is sparing with lines that are alike, the counter has them all."""

        def warn(symbol: str, expected: int, actual: int) -> None:
            self.log.warning("sequence gap", symbol=symbol, expected=expected, actual=actual)

        return warn


class Service(Protocol):
    """What a service offers to the runtime."""

    def ready(self) -> list[str]:
        """Why it is not ready; empty when it is."""

    def status(self) -> dict[str, Any]:
        """What it would tell a person who asks how it is; JSON-able."""

    def drain(self) -> None:
        """Finishes what was begun, in bounded time, and writes out what is held. Called once."""


def run_component(component: Component, build: Callable[[Context], Service], settings: Settings) -> None:
    """Runs a component until SIGTERM or SIGINT. Raises `ConfigError` where it cannot start.

    One that keeps something and finds the disk full stands not ready until there is room.
    """
    system = load_manifest(settings.system_file)
    named = {
        "instance": settings.instance or component.value,
        "postgres_schema": settings.postgres_schema or system.metadata.name,
    }
    settings = settings.model_copy(update=named)
    log = configure(settings.log_level, component=component.value, instance=settings.instance)
    context = _context(component, settings, system, log)
    loop, sockets = context.loop, context.sockets
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(loop.stop))
    try:
        if not _has_room(context):
            log.info("stopped before it had started")
            return
        service = build(context)
        admin = _admin(context, service)
        port = admin.start(settings.admin_host, settings.admin_port)
        if component is not Component.METRICS_COLLECTOR:
            outlet = sockets.pub(Channel.EVENTS)
            loop.after_turn(lambda: context.events.forward(outlet))
        told = EventLog(context.events.bus, log)
        loop.after_turn(told.write)
        context.events.emit(ComponentStarted, instance=settings.instance, version=__version__)
        log.info("started", admin_port=port, epoch=context.epoch, version=__version__)
        loop.every(sockets.links.TEND_EVERY_S, context.tend_links)
        loop.every(LOOK_EVERY_S, context.manifest.look)
        loop.every(BEAT_S, Beats(context.metrics, context.events, settings.instance, service.ready).tell)
        gc.collect()
        gc.freeze()  # what is there now stays, and no later collection needs to look at it: they get short
        try:
            loop.run()
        except Exception as error:  # whatever it is, it ends the process: but not untold, and not undrained
            context.events.emit(ComponentError, instance=settings.instance, error=repr(error))
            log.exception("the work loop failed")
            raise
        finally:
            service.drain()
            context.events.emit(ComponentStopped, instance=settings.instance)
            loop.turn(0)
            admin.close()
        log.info("stopped")
    finally:
        context.tracer.close()
        sockets.close()


def _context(component: Component, settings: Settings, system: TradingSystem, log: Logger) -> Context:
    spec = system.spec
    epoch = time.time_ns() // 1_000_000
    metrics = Metrics(component=component.value, system=system.metadata.name)
    metrics.gauge("component_info", lambda: 1, version=__version__, mode=spec.mode.value)
    clock = WallClock()
    sockets = SocketFactory(
        component, spec.endpoints, bind_host=settings.bind_host, hosts=settings.hosts, ipc_dir=settings.ipc_dir
    )
    events = Events(EventBus(), component.value, settings.instance, epoch, clock, metrics)
    watched = spec.observability
    traces = tracer(watched.otlp_endpoint, component.value, settings.instance, _sample_every(watched))
    manifest = ManifestFile(settings.system_file, component, spec, system.metadata.generation, metrics, log)
    return Context(component, settings, spec, epoch, Loop(), sockets, metrics, events, traces, log, clock, manifest)


def _admin(context: Context, service: Service) -> Admin:
    return Admin(
        context.metrics.registry,
        last_turn_s=lambda: context.loop.last_turn_s,
        not_ready=service.ready,
        config=lambda: _config(context, service),
    )


def _has_room(context: Context) -> bool:
    """Waits until the disk has room for what the component keeps. Whether it has: not where it was stopped before."""
    folder = context.settings.instance_dir
    if not keeps(context.component, context.spec) or not (reason := lack_of_room(folder)):
        return True
    context.log.error("cannot start yet", reason=reason)
    admin = _admin(context, Waiting(reason))
    admin.start(context.settings.admin_host, context.settings.admin_port)
    try:
        return context.loop.run_until(lambda: not lack_of_room(folder))
    finally:
        admin.close()


def _sample_every(spec: ObservabilitySpec) -> int:
    ratio = spec.trace_sample_ratio
    return int(1 / ratio) if ratio and spec.otlp_endpoint else 0


def _config(context: Context, service: Service) -> dict[str, Any]:
    return {
        "component": context.component.value,
        "instance": context.settings.instance,
        "version": __version__,
        "epoch": context.epoch,
        **context.manifest.told(),
        "status": service.status(),
        "metrics": context.metrics.snapshot(),
    }
