"""Who uses which channel and which part of the spec."""

import re
from pathlib import Path

import pytest

import tradingmesh
from tradingmesh.contract import CHANNELS, Channel, Component, TradingSystemSpec, channels_of, endpoint_key, parts_of

SERVICES = Path(tradingmesh.__file__).parent
HOT = {"riskLimits", "trading", "circuitBreaker"}


@pytest.mark.parametrize("component", [c for c in Component if c is not Component.ALPACA_SIMULATOR])
def test_the_table_has_the_channels_that_the_component_names(component: Component) -> None:
    """Who opens a channel binds it or connects to it by the table, and nobody else is in it."""
    sources = (SERVICES / component.value.replace("-", "_")).rglob("*.py")
    named = {name for path in sources for name in re.findall(r"\bChannel\.([A-Z_]+)", path.read_text())}
    told_by_the_runtime = {Channel.EVENTS}  # runtime/component.py publishes for everybody
    assert {Channel[name] for name in named} | told_by_the_runtime == set(channels_of(component))


def test_the_simulator_is_no_part_of_the_mesh() -> None:
    """It speaks Alpaca's HTTP and websockets: no change of a channel restarts it."""
    assert channels_of(Component.ALPACA_SIMULATOR) == ()
    assert not any(part.startswith("endpoints") for part in parts_of(Component.ALPACA_SIMULATOR))


@pytest.mark.parametrize("channel", Channel)
def test_nobody_connects_to_what_it_binds(channel: Channel) -> None:
    """A channel goes from one component to others."""
    facts = CHANNELS[channel]
    assert facts.binder not in facts.connects
    assert len(set(facts.connects)) == len(facts.connects)


@pytest.mark.parametrize("component", Component)
def test_every_part_is_a_field_of_the_spec(component: Component) -> None:
    """A part that the manifest does not have would restart nobody."""
    spec = TradingSystemSpec(symbols=["IBM"]).model_dump(by_alias=True)
    for part in parts_of(component):
        at = spec
        for word in part.split("."):
            assert word in at, part
            at = at[word]


@pytest.mark.parametrize("component", Component)
def test_what_is_taken_while_running_restarts_nobody(component: Component) -> None:
    """Risk limits, the kill switch and the breaker's settings are hot."""
    assert not HOT & {part.split(".")[0] for part in parts_of(component)}


def test_the_key_of_a_channel_is_the_manifests() -> None:
    """The name that `spec.endpoints` has for it."""
    assert endpoint_key(Channel.MARKET_DATA) == "marketData"
    assert endpoint_key(Channel.FILLS) == "fills"
