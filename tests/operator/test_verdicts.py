"""The definition and the models are of one mind: what the API server takes tradingmesh takes, and nothing else.

Two things are the cluster's own, and known: a null is as if nothing were said, and what only one machine can do is
refused. Values are tried where they do not belong, at every field that there is.
"""

import random
from collections.abc import Iterator
from typing import Any

from kubernetes import client

from tests.operator.given import ABSENT, LIVE, PAPER, manifest
from tests.operator.verdicts import of_models, of_server
from tradingmesh.contract import FaultKind, FaultPlace
from tradingmesh_operator.crd.definition import definition

SPEC = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
ONLY_IN_A_CLUSTER = {"endpoints.transport", "broker.credentialsSecretRef", "broker.credentialsSecretRef.name"}
TRIED = 300

VALUES: list[Any] = [
    0, 1, -1, 5, 64, 65, 1000, 65535, 65536, 2**31 - 1, 2**31, 10**15 - 1, 10**15, 2**63, 0.5, 5.5, 1e30, True, False,
    "", " ", "0", "1", "-1", "1.5", "0.000000001", "0.0000000001", "1e3", ".5", "5.", "1_000", " 1", "1\n", "+1", "NaN",
    "9" * 15, "9" * 16, "0" * 15 + ".0", "5s", "0s", "100ms", "1.5m", "1.2345s", "1.5ms", "99h", "100h", "5", "5 s",
    "IBM", "ibm", "IBM\n", "BRK.B", "A" * 8, "A" * 9, "ÄÖ", "demo", "null", "x" * 24, "x" * 25, "x" * 2000, "a:B",
    "Active", "live", "paper", "simulated", "alpaca", "simulator", "max", "tcp", "rest", "flatten", "1Gi", "500m",
    "http://localhost:1", "https://api.alpaca.markets", "ws://H/", "https://api.alpaca.markets.example/", "GET /v2/*",
    "https://paper-api.alpaca.markets/v2", "https://api.alpaca.markets:443", "https://alpaca.markets", "http://a@b/c",
    [], ["IBM"], ["IBM", "IBM"], ["KO"], [1], [None], {}, {"name": "x"}, {"a": 1}, {"IBM": {}}, {"x y": "z"}, ABSENT,
]  # fmt: skip

PARAMETERS: dict[str, list[Any]] = {
    "rate": ["0.5", 1, "1.0", "0", "1.01"],
    "times": [1, 0],
    "after": ["1s", "x"],
    "for": ["1s"],
    "min": ["0s", "1s", "3s"],
    "max": ["0ms", "2s"],
    "requests": ["POST /v2/orders", "* *", "GET"],
    "acted": [True, False],
    "code": [405, 429, 503, 404],
    "retryAfter": ["1s", "1000ms", "2s"],
    "answersPings": [True, False],
}


def paths(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every field, as a change of a manifest names it; one name in a map and one item of a list stand for all."""
    if path:
        yield path
    inside = dict(schema.get("properties", {}))
    if "additionalProperties" in schema:
        inside["IBM" if path.endswith("perSymbol") else "name"] = schema["additionalProperties"]
    for name, one in inside.items():
        yield from paths(one, f"{path}.{name}".removeprefix("."))
    if path == "strategies":
        for name in schema["items"]["properties"]:
            yield f"strategies.0.{name}"


def differs(api: client.CustomObjectsApi, changes: dict[str, Any]) -> str:
    """What the two say of a manifest, where they are not of one mind."""
    try:
        tried = manifest(changes)
    except (KeyError, TypeError, IndexError):  # what is not there cannot be left out
        return ""
    server, models = of_server(api, tried), of_models(tried)
    return f"{changes}: server {server!r}, models {models!r}" if bool(server) != bool(models) else ""


def fault(chance: random.Random) -> dict[str, Any]:
    """A fault with some of the parameters that faults have, whether they go together or not."""
    what = {"where": chance.choice(list(FaultPlace)).value, "what": chance.choice(list(FaultKind)).value}
    said = {name: chance.choice(PARAMETERS[name]) for name in chance.sample(list(PARAMETERS), chance.randrange(4))}
    usual = {"max": "2s"} if what["what"] in ("delay", "reorder") else {}
    return {**what, **({**usual, **said} if chance.random() < 0.8 else said)}


def test_they_agree_on_whatever_is_said_of_any_field(
    trading_systems: client.CustomObjectsApi,
    seed: int,
    full: bool,  # noqa: FBT001 - a fixture
) -> None:
    """A value of any kind, at any field, in a manifest of any mode."""
    likes: list[dict[str, Any]] = [{}, PAPER, LIVE]
    tries = [(path, value) for path in sorted(set(paths(SPEC)) - ONLY_IN_A_CLUSTER) for value in VALUES]
    chance = random.Random(seed)  # noqa: S311 - chance, not secrets
    chosen = tries if full else chance.sample(tries, TRIED)
    found = [differs(trading_systems, {**chance.choice(likes), path: value}) for path, value in chosen]
    assert [one for one in found if one] == []


def test_they_agree_on_faults(
    trading_systems: client.CustomObjectsApi,
    seed: int,
    full: bool,  # noqa: FBT001 - a fixture
) -> None:
    """Faults have the most to fit together: place, kind, and what can be said of each."""
    chance = random.Random(seed)  # noqa: S311 - chance, not secrets
    tries = [{"broker.simulator.faults.inject": [fault(chance)]} for _ in range(TRIED * (10 if full else 1))]
    verdicts = [bool(of_models(manifest(changes))) for changes in tries]
    assert 0.1 < sum(verdicts) / len(tries) < 0.9, "hardly any is refused, or hardly any is taken"
    assert [one for changes in tries if (one := differs(trading_systems, changes))] == []
