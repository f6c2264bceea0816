"""An endpoint of which only something is said keeps its channel's usual port."""

import pytest

from tradingmesh.contract import CHANNELS, Channel, EndpointsSpec


@pytest.mark.parametrize("channel", Channel)
def test_a_mark_alone_leaves_the_port_as_it_is(channel: Channel) -> None:
    """Of each channel: the high-water mark is what was said, the port what the contract has."""
    first, *rest = channel.value.split("-")
    name = first + "".join(word.capitalize() for word in rest)
    endpoints = EndpointsSpec.model_validate({name: {"sendHighWaterMark": 7}})
    assert endpoints.of(channel).send_high_water_mark == 7
    assert endpoints.of(channel).port == CHANNELS[channel].port


def test_a_port_that_is_said_holds() -> None:
    """The usual port is only a default."""
    endpoints = EndpointsSpec.model_validate({"marketData": {"port": 7001}})
    assert endpoints.market_data.port == 7001
    assert endpoints.fills.port == CHANNELS[Channel.FILLS].port
