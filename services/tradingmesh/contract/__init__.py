"""What every part of the system agrees on: component names, channels, and the `TradingSystem` manifest.

This package is all that an operator shares with the services. It imports nothing else of tradingmesh.
Field names are the manifest's camelCase; Python names are snake_case with the unit last.
"""

from tradingmesh.contract.broker import BrokerSpec, Mode
from tradingmesh.contract.broker_api import ApiCircuitBreakerSpec, RetrySpec
from tradingmesh.contract.endpoints import EndpointsSpec
from tradingmesh.contract.faults import FaultKind, FaultPlace, FaultSpec, FaultsSpec
from tradingmesh.contract.fields import SYMBOL_MAX_BYTES, Spec
from tradingmesh.contract.names import ADMIN_PORT, CHANNELS, PAGE_PORT, SIMULATOR_PORT, Channel, Component
from tradingmesh.contract.parts import HOT_PARTS, channels_of, endpoint_key, parts_of
from tradingmesh.contract.risk import FLATTEN, CircuitBreakerSpec, RiskLimits, SymbolLimits, TradingState
from tradingmesh.contract.system import (
    API_VERSION,
    KIND,
    AutoscalingSpec,
    StrategySpec,
    TradingSystem,
    TradingSystemSpec,
)

__all__ = [
    "ADMIN_PORT",
    "API_VERSION",
    "CHANNELS",
    "FLATTEN",
    "HOT_PARTS",
    "KIND",
    "PAGE_PORT",
    "SIMULATOR_PORT",
    "SYMBOL_MAX_BYTES",
    "ApiCircuitBreakerSpec",
    "AutoscalingSpec",
    "BrokerSpec",
    "Channel",
    "CircuitBreakerSpec",
    "Component",
    "EndpointsSpec",
    "FaultKind",
    "FaultPlace",
    "FaultSpec",
    "FaultsSpec",
    "Mode",
    "RetrySpec",
    "RiskLimits",
    "Spec",
    "StrategySpec",
    "SymbolLimits",
    "TradingState",
    "TradingSystem",
    "TradingSystemSpec",
    "channels_of",
    "endpoint_key",
    "parts_of",
]
