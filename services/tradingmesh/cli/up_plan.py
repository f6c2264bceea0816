"""What `tradingmesh up` will start: from manifest and options to a list of processes, before anything runs."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tradingmesh.contract import CHANNELS, Channel, Component, Mode, TradingSystem, TradingSystemSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import Settings, parse_manifest

START_ORDER = (
    Component.ALPACA_SIMULATOR,
    Component.RISK_MANAGER,
    Component.METRICS_COLLECTOR,
    Component.EXECUTION_ENGINE,
    Component.MARKET_DATA_FEED,
    Component.FILL_PROCESSOR,
    Component.MARKET_DATA_STORE,
    Component.FEATURE_ENGINE,
    Component.SIGNAL_GENERATOR,
)
"""The broker first, so that whoever needs it finds it; of the others the slowest to start come early."""

SOURCES = (Component.MARKET_DATA_FEED, Component.SIGNAL_GENERATOR, Component.FEATURE_ENGINE)
"""Without these nothing new comes into the mesh."""

STOP_ORDER = (
    (*SOURCES, Component.MARKET_DATA_STORE),
    (Component.EXECUTION_ENGINE,),
    (Component.FILL_PROCESSOR,),
    (Component.RISK_MANAGER,),
    (Component.METRICS_COLLECTOR,),
    (Component.ALPACA_SIMULATOR,),
)
"""Who makes work stops before who does it, so that each can finish; those of one group stop together."""


class Process(NamedTuple):
    """One process to start. `port` is its admin HTTP."""

    component: Component
    instance: str
    port: int


class RunPlace(NamedTuple):
    """Where a run keeps what it needs and what it writes."""

    folder: Path
    data_dir: Path
    ipc_dir: Path

    @property
    def system_file(self) -> Path:
        """The manifest as it is run, with every default and override."""
        return self.folder / "system.yaml"


def overridden(system: TradingSystem, *, tape: str | None, speed: str | None) -> TradingSystem:
    """The manifest with what the command line says instead. Raises `ConfigError` naming the option."""
    given = {option: value for option, value in (("tape", tape), ("speed", speed)) if value is not None}
    if not given:
        return system
    if system.spec.mode is not Mode.SIMULATED:
        raise ConfigError(f"--{next(iter(given))}: mode {system.spec.mode} trades the market, not a tape")
    content = system.model_dump(mode="json", by_alias=True)
    content["spec"]["broker"]["simulator"].update(given)
    return parse_manifest(content, source=f"with {' '.join(f'--{k} {v}' for k, v in given.items())}")


def processes(spec: TradingSystemSpec, admin_ports: Iterator[int]) -> tuple[Process, ...]:
    """Every process of the system in the order to start them: the simulator, where there is one, first."""
    found = []
    for component in START_ORDER:
        if component is Component.ALPACA_SIMULATOR and spec.mode is not Mode.SIMULATED:
            continue
        names = [component.value]
        if component is Component.FILL_PROCESSOR:
            names = [f"{component}-{number + 1}" for number in range(spec.fill_processors.replicas)]
        found += [Process(component, name, next(admin_ports)) for name in names]
    return tuple(found)


def ports_needed(
    spec: TradingSystemSpec, planned: Sequence[Process], simulator_port: int, page_port: int
) -> dict[int, str]:
    """Each TCP port the system will listen on, and which setting says so. Raises `ConfigError` for one needed twice."""
    needed: dict[int, str] = {}
    wanted = [(p.port, f"the admin port of {p.instance} (TRADINGMESH_ADMIN_PORT)") for p in planned]
    wanted.append((page_port, "the live page's port (TRADINGMESH_PAGE_PORT)"))
    if spec.mode is Mode.SIMULATED:
        wanted.append((simulator_port, "the simulator's port (TRADINGMESH_SIMULATOR_PORT)"))
    if spec.endpoints.transport == "tcp":
        wanted += [(spec.endpoints.of(channel).port, _field(channel)) for channel in CHANNELS]
    for port, what in wanted:
        if port in needed:
            raise ConfigError(f"{what}: {port} is {needed[port]} as well")
        needed[port] = what
    return needed


def environment(process: Process, place: RunPlace, settings: Settings, simulator_port: int) -> dict[str, str]:
    """What the process is told through its environment."""
    return {
        "TRADINGMESH_SYSTEM_FILE": str(place.system_file),
        "TRADINGMESH_INSTANCE": process.instance,
        "TRADINGMESH_DATA_DIR": str(place.data_dir),
        "TRADINGMESH_IPC_DIR": str(place.ipc_dir),
        "TRADINGMESH_ADMIN_PORT": str(process.port),
        "TRADINGMESH_PAGE_PORT": str(settings.page_port),
        "TRADINGMESH_SIMULATOR_PORT": str(simulator_port),
        "TRADINGMESH_SIMULATOR_HOLD": "1",
        "TRADINGMESH_POSTGRES_SCHEMA": settings.postgres_schema,
        "TRADINGMESH_CONTROL_TOKEN": settings.control_token.get_secret_value(),
        "APCA_API_KEY_ID": settings.apca_api_key_id,
        "APCA_API_SECRET_KEY": settings.apca_api_secret_key.get_secret_value(),
        "PYTHONUNBUFFERED": "1",
    }


def _field(channel: Channel) -> str:
    head, *rest = channel.split("-")
    return f"spec.endpoints.{head}{''.join(word.title() for word in rest)}.port"
