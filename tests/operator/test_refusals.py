"""Manifests that are wrong: the API server refuses each and names the field, and so does `tradingmesh` itself."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from tests.operator.given import ABSENT, LIVE, PAPER, manifest
from tests.operator.verdicts import of_models, of_server

Change = dict[str, Any]

LIKE: dict[str, Change] = {"simulated": {}, "live": LIVE, "paper": PAPER}
REFUSED = {one["wrong"]: one for one in yaml.safe_load(Path(__file__).with_name("refused.yaml").read_text())}

NUMBERS_OF_A_SYMBOL = [
    "maxOrderQuantity",
    "maxOrderNotional",
    "maxPositionQuantity",
    "maxPositionNotional",
    "priceCollarPercent",
]
NUMBERS = [*NUMBERS_OF_A_SYMBOL, "maxGrossNotional", "maxDailyLoss"]
NAMES = ["Demo", "1demo", "demo.two", "x" * 35]


def test_there_are_many() -> None:
    """A file that is not read would refuse nothing."""
    assert len(REFUSED) >= 50


@pytest.mark.parametrize("wrong", REFUSED)
def test_both_refuse_it_and_name_the_field(trading_systems: client.CustomObjectsApi, wrong: str) -> None:
    """Neither takes what the other refuses; each says where it is wrong."""
    case = REFUSED[wrong]
    absent = {case["without"]: ABSENT} if "without" in case else {}
    tried = manifest({**LIKE[case.get("like", "simulated")], **case.get("with", {}), **absent})
    assert case["field"] in of_server(trading_systems, tried)
    assert case["said"] in of_models(tried)


@pytest.mark.parametrize("wrong", [0, "0", "0.000000000", -1, "-1"])
@pytest.mark.parametrize("limit", [*NUMBERS, *(f"perSymbol.IBM.{limit}" for limit in NUMBERS_OF_A_SYMBOL)])
def test_every_limit_is_above_0(trading_systems: client.CustomObjectsApi, limit: str, wrong: object) -> None:
    """In quotes or not, in general or of one symbol: "no limit" cannot be said by a 0 either."""
    tried = manifest({f"riskLimits.{limit}": wrong})
    field = limit.rpartition(".")[2]
    assert f"{field}: Invalid value" in of_server(trading_systems, tried)
    assert f"spec.riskLimits.{limit}: must be greater than 0" in of_models(tried)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_children_could_not_have_is_refused(trading_systems: client.CustomObjectsApi, name: str) -> None:
    """Services begin with a letter, and what is called after the system must still fit."""
    assert "metadata.name" in of_server(trading_systems, manifest(name=name))
    assert "metadata.name" in of_models(manifest(name=name))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"mode": "paper", "broker.kind": "alpaca"}, "spec.broker.credentialsSecretRef:"),
        ({"endpoints.transport": "ipc"}, "spec.endpoints.transport:"),
    ],
)
def test_what_only_one_machine_can_do_is_refused(
    trading_systems: client.CustomObjectsApi, changes: dict[str, Any], field: str
) -> None:
    """In a cluster keys come from a Secret, and pods share no folder; `tradingmesh up` takes both."""
    assert field in of_server(trading_systems, manifest(changes))
    assert of_models(manifest(changes)) == ""


@pytest.mark.parametrize("changes", [{}, LIVE, PAPER])
def test_what_is_right_is_taken(trading_systems: client.CustomObjectsApi, changes: Change) -> None:
    """What every other manifest here differs from by one thing."""
    assert of_server(trading_systems, manifest(changes)) == ""
    assert of_models(manifest(changes)) == ""
