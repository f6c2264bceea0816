"""What a schema cannot say, in CEL: values that have to fit together, and what may not change.

Each rule that the models have as well stands here in the words of the API server; a test holds the two to the same
verdicts. A rule about what changes, or about what only a cluster needs, has no counterpart in the models.
"""

from pydantic import BaseModel

from tradingmesh.contract import ADMIN_PORT, FLATTEN, PAGE_PORT, Channel, FaultSpec, endpoint_key
from tradingmesh.contract.broker import BrokerSpec
from tradingmesh.contract.broker_api import RetrySpec
from tradingmesh.contract.endpoints import EndpointsSpec
from tradingmesh.contract.risk import RiskLimits
from tradingmesh.contract.system import AutoscalingSpec, PersistenceSpec, StrategySpec, TradingSystemSpec
from tradingmesh_operator.crd.fault_rules import FAULT_RULES
from tradingmesh_operator.crd.rule import Rule

_PORTS = [f"self.{endpoint_key(channel)}.port" for channel in Channel]
_URLS = ("tradingUrl", "tradingStreamUrl", "dataStreamUrl")
_ALPACA = "'^[a-z]+://([a-z0-9-]+[.])*alpaca[.]markets([:/]|$)'"
_REAL_MONEY = "'^[a-z]+://api[.]alpaca[.]markets([:/]|$)'"


def _not_alpacas(url: str) -> list[Rule]:
    given = f"has(self.broker.{url}) && self.broker.{url}"
    simulated = f"!(self.mode == 'simulated' && {given}.matches({_ALPACA}))"
    paper = f"!(self.mode != 'live' && {given}.matches({_REAL_MONEY}))"
    path = f".broker.{url}"
    return [
        Rule(simulated, "mode simulated does not go with Alpaca's own URL", path),
        Rule(paper, "trades real money, which only mode live does", path),
    ]


_RULES: dict[object, list[Rule]] = {
    TradingSystemSpec: [
        Rule(
            "self.mode != 'live' || self.acknowledgeLiveTrading",
            "mode live trades real money: set acknowledgeLiveTrading: true",
            ".acknowledgeLiveTrading",
        ),
        Rule(
            "(self.mode == 'simulated') == (self.broker.kind == 'simulator')",
            "mode simulated goes with broker.kind simulator, paper and live with alpaca",
            ".broker.kind",
        ),
        Rule(
            "!has(self.strategies) || self.strategies.all(s, s.symbols.all(x, x in self.symbols))",
            "a strategy trades a symbol that spec.symbols does not list",
            ".strategies",
        ),
        *(rule for url in _URLS for rule in _not_alpacas(url)),
    ],
    (TradingSystemSpec, "mode"): [Rule("self == oldSelf", "cannot be changed: make another TradingSystem")],
    (BrokerSpec, "kind"): [Rule("self == oldSelf", "cannot be changed: make another TradingSystem")],
    BrokerSpec: [
        Rule(
            "self.kind != 'alpaca' || has(self.credentialsSecretRef)",
            "broker.kind alpaca needs the name of a Secret with APCA_API_KEY_ID and APCA_API_SECRET_KEY",
            ".credentialsSecretRef",
        )
    ],
    RetrySpec: [Rule("duration(self.initial) <= duration(self.max)", "initial is above max", ".initial")],
    (StrategySpec, "name"): [
        Rule(f"self != '{FLATTEN}'", f"may not be {FLATTEN}: closing orders are said to be of it"),
    ],
    FaultSpec: FAULT_RULES,
    EndpointsSpec: [
        Rule(
            f"[{', '.join(_PORTS)}].all(p, [{', '.join(_PORTS)}].exists_one(q, q == p))",
            "two channels have one port",
        ),
        Rule(f"[{', '.join(_PORTS)}].all(p, p != {ADMIN_PORT})", f"port {ADMIN_PORT} is every component's admin port"),
        Rule(f"self.events.port != {PAGE_PORT}", f"port {PAGE_PORT} is the live page's", ".events.port"),
    ],
    (EndpointsSpec, "transport"): [
        Rule("self == 'tcp'", "pods share no folder: transport ipc is for one machine"),
    ],
    RiskLimits: [
        Rule(
            "!has(self.maxOrderQuantity) || !has(self.maxPositionQuantity) || "
            "quantity(string(self.maxOrderQuantity)).compareTo(quantity(string(self.maxPositionQuantity))) <= 0",
            "maxOrderQuantity is above maxPositionQuantity",
            ".maxOrderQuantity",
        )
    ],
    AutoscalingSpec: [Rule("self.minReplicas <= self.maxReplicas", "minReplicas is above maxReplicas", ".minReplicas")],
    PersistenceSpec: [
        Rule(
            "has(self.postgres) == has(oldSelf.postgres)",
            "cannot be set or unset: the journal would begin anew; make another TradingSystem",
            ".postgres",
        ),
    ],
    (PersistenceSpec, "size"): [
        Rule("self == oldSelf", "cannot be changed: enlarge the PersistentVolumeClaims instead")
    ],
}

LIST_KEYS: dict[tuple[type[BaseModel], str], list[str]] = {(TradingSystemSpec, "strategies"): ["name"]}
"""The lists in which an item is known by a name, which is in it once."""


def rules_of(place: object) -> list[Rule]:
    """The rules of a model, or of one field of it."""
    return _RULES.get(place, [])
