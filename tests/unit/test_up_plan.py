"""What `up` will start follows from manifest and options alone."""

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tradingmesh.cli.up_plan import (
    STOP_ORDER,
    Process,
    RunPlace,
    environment,
    overridden,
    ports_needed,
    processes,
)
from tradingmesh.contract import Channel, Component, TradingSystem
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import Settings, parse_manifest


def _system(**spec: Any) -> TradingSystem:
    head = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "demo"}}
    return parse_manifest({**head, "spec": {"symbols": ["IBM"], **spec}}, source="test")


PAPER = {"mode": "paper", "broker": {"kind": "alpaca"}}


def test_a_simulated_system_is_every_component_and_the_simulator_first() -> None:
    """Each with a port of its own; the fill processors are numbered."""
    planned = processes(_system(fillProcessors={"replicas": 3}).spec, count(9090))
    assert planned[0] == Process(Component.ALPACA_SIMULATOR, "alpaca-simulator", 9090)
    assert {p.component for p in planned} == set(Component)
    assert [p.instance for p in planned if p.component is Component.FILL_PROCESSOR] == [
        "fill-processor-1",
        "fill-processor-2",
        "fill-processor-3",
    ]
    assert sorted(p.port for p in planned) == list(range(9090, 9101))


def test_a_paper_system_has_no_simulator() -> None:
    """Its broker is Alpaca."""
    planned = processes(_system(**PAPER).spec, count(9090))
    assert Component.ALPACA_SIMULATOR not in {p.component for p in planned}


def test_every_component_is_stopped_and_the_simulator_last() -> None:
    """The broker must outlive who may still ask it."""
    assert {component for group in STOP_ORDER for component in group} == set(Component)
    assert STOP_ORDER[-1] == (Component.ALPACA_SIMULATOR,)


def test_options_replace_what_the_manifest_says_and_nothing_else() -> None:
    """Tape and speed; the rest stays as it was."""
    system = _system(riskLimits={"maxDailyLoss": "5000.50", "maxQuoteAge": "5s"})
    changed = overridden(system, tape="/data@20131007", speed="max")
    assert changed.spec.broker.simulator.tape == "/data@20131007"
    assert changed.spec.broker.simulator.speed == "max"
    assert changed.spec.risk_limits == system.spec.risk_limits
    assert overridden(system, tape=None, speed=None) is system


@pytest.mark.parametrize("speed", ["fast", "0", "-3"])
def test_a_speed_that_is_none_names_option_and_field(speed: str) -> None:
    """The sentence begins with the option and has the manifest's field."""
    with pytest.raises(ConfigError, match=rf"^with --speed {speed}: spec\.broker\.simulator\.speed: must be"):
        overridden(_system(), tape=None, speed=speed)


def test_a_tape_does_not_go_with_the_market() -> None:
    """In mode paper or live there is nothing to play."""
    with pytest.raises(ConfigError, match=r"^--tape: mode paper trades the market"):
        overridden(_system(**PAPER), tape="generated", speed=None)


def test_ports_are_named_by_the_setting_that_chose_them() -> None:
    """Channels by their manifest field, processes by their name."""
    spec = _system(endpoints={"riskCheck": {"port": 7001}}).spec
    needed = ports_needed(spec, processes(spec, count(9090)), 8900, 8080)
    assert needed[7001] == "spec.endpoints.riskCheck.port"
    assert needed[5562] == "spec.endpoints.fillAcks.port"
    assert needed[8900] == "the simulator's port (TRADINGMESH_SIMULATOR_PORT)"
    assert needed[8080] == "the live page's port (TRADINGMESH_PAGE_PORT)"
    assert len(needed) == len(Channel) + 12


def test_over_ipc_the_channels_need_no_ports() -> None:
    """Only HTTP is left on TCP."""
    spec = _system(endpoints={"transport": "ipc"}).spec
    assert len(ports_needed(spec, processes(spec, count(9090)), 8900, 8080)) == 12


def test_one_port_for_two_things_is_refused() -> None:
    """An admin port that is a channel's port as well names both."""
    spec = _system(endpoints={"fills": {"port": 9091}}).spec
    with pytest.raises(ConfigError, match=r"^spec\.endpoints\.fills\.port: 9091 is the admin port of .* as well$"):
        ports_needed(spec, processes(spec, count(9090)), 8900, 8080)


def test_a_process_is_told_all_it_needs() -> None:
    """Files, folders, its ports, the token and the keys."""
    place = RunPlace(Path("/run"), Path("/run/data"), Path("/ipc"))
    settings = Settings(apca_api_key_id="key", apca_api_secret_key=SecretStr("s"), control_token=SecretStr("t"))
    settings = settings.model_copy(update={"page_port": 8081})
    told = environment(Process(Component.RISK_MANAGER, "risk-manager", 9091), place, settings, 8900)
    assert told["TRADINGMESH_SYSTEM_FILE"] == "/run/system.yaml"
    assert told["TRADINGMESH_ADMIN_PORT"] == "9091"
    assert told["TRADINGMESH_PAGE_PORT"] == "8081"
    assert told["TRADINGMESH_SIMULATOR_PORT"] == "8900"
    assert (told["APCA_API_KEY_ID"], told["APCA_API_SECRET_KEY"], told["TRADINGMESH_CONTROL_TOKEN"]) == (
        "key",
        "s",
        "t",
    )
