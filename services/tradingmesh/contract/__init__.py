"""What every part of the system agrees on: component names, channels, and the `TradingSystem` manifest.

This package is all that an operator shares with the services. It imports nothing else of tradingmesh.
Field names are the manifest's camelCase; Python names are snake_case with the unit last.
"""

from tradingmesh.contract.broker import BrokerSpec, Mode
from tradingmesh.contract.endpoints import EndpointsSpec
from tradingmesh.contract.fields import SYMBOL_MAX_BYTES
from tradingmesh.contract.names import ADMIN_PORT, CHANNELS, Channel, Component
from tradingmesh.contract.risk import CircuitBreakerSpec, RiskLimits, SymbolLimits, TradingState
from tradingmesh.contract.system import API_VERSION, KIND, StrategySpec, TradingSystem, TradingSystemSpec

__all__ = [
    "ADMIN_PORT",
    "API_VERSION",
    "CHANNELS",
    "KIND",
    "SYMBOL_MAX_BYTES",
    "BrokerSpec",
    "Channel",
    "CircuitBreakerSpec",
    "Component",
    "EndpointsSpec",
    "Mode",
    "RiskLimits",
    "StrategySpec",
    "SymbolLimits",
    "TradingState",
    "TradingSystem",
    "TradingSystemSpec",
]
