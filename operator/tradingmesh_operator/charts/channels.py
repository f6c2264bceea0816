"""The contract's tables as a helm template: channels with ports and peers, and which parts of the spec restart whom."""

from tradingmesh.contract import (
    ADMIN_PORT,
    CHANNELS,
    PAGE_PORT,
    SIMULATOR_PORT,
    Channel,
    Component,
    endpoint_key,
    parts_of,
)
from tradingmesh.contract.system import NAME_MAX, NAME_PATTERN

PORT_NAMES = {
    Channel.MARKET_DATA: "market",
    Channel.RISK_CHECK: "risk",
    Channel.FILLS: "fills",
    Channel.ORDERS: "orders",
    Channel.FEATURES: "feature",
    Channel.EVENTS: "events",
    Channel.POSITIONS: "pos",
    Channel.FILL_ACKS: "acks",
    Channel.CONTROL: "control",
    Channel.TRADING_STATE: "state",
}
"""What follows `tcp-zmq-` in the name of a port: Kubernetes allows 15 characters in all."""

_HEAD = """\
{{/* Written by `make charts` from tradingmesh.contract; a test holds it to that. */}}

{{/* Each channel: its key under `endpoints`, the name of its port, its usual port, who binds it and who connects. */}}
"""


def channels_template() -> str:
    """The text of the library chart's `_channels.tpl`."""
    return "\n".join(
        (
            _HEAD + _define("channels", "\n".join(map(_channel, CHANNELS))),
            _define("adminPort", str(ADMIN_PORT)),
            _define("pagePort", str(PAGE_PORT)),
            _define("simulatorPort", str(SIMULATOR_PORT)),
            _define("nameMax", str(NAME_MAX)),
            _define("namePattern", NAME_PATTERN),
            "{{/* The parts of the spec that a component reads when it starts. */}}",
            _define("parts", "\n".join(f"{one}: [{', '.join(parts_of(one))}]" for one in Component)),
        )
    )


def _channel(channel: Channel) -> str:
    facts = CHANNELS[channel]
    told = {
        "key": endpoint_key(channel),
        "short": PORT_NAMES[channel],
        "port": facts.port,
        "binder": facts.binder,
        "connects": f"[{', '.join(facts.connects)}]",
    }
    return f"{channel}: {{{', '.join(f'{name}: {value}' for name, value in told.items())}}}"


def _define(name: str, text: str) -> str:
    return f'{{{{- define "tradingmesh.{name}" -}}}}\n{text}\n{{{{- end }}}}\n'
