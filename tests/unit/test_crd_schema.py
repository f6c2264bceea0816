"""The CustomResourceDefinition: the files hold what the models say, and its schema is one that Kubernetes can keep."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tradingmesh.contract import Channel, TradingSystemSpec, endpoint_key
from tradingmesh_operator.crd.definition import definition
from tradingmesh_operator.crd.written import written

ROOT = Path(__file__).parents[2]
SCHEMA = definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
SPEC = SCHEMA["properties"]["spec"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in it, with the path of what it describes."""
    yield path, schema
    for name, one in schema.get("properties", {}).items():
        yield from nodes(one, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from nodes(schema[key], path + mark)


@pytest.mark.parametrize("path", sorted(written(ROOT)), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_holds_what_the_models_say(path: Path) -> None:
    """Who changes a model runs `make crd`."""
    assert path.read_text(encoding="utf-8") == written(ROOT)[path]


def test_every_value_has_one_type() -> None:
    """It is structural: a type or int-or-string, no reference, and nothing is kept that the schema does not know."""
    for path, one in nodes(SCHEMA):
        assert ("type" in one) != ("x-kubernetes-int-or-string" in one), path
        assert not {"$ref", "allOf", "oneOf", "x-kubernetes-preserve-unknown-fields"} & set(one), path
        assert "anyOf" not in one or "x-kubernetes-int-or-string" in one, path
        if one.get("type") == "object" and path != ".metadata":
            assert ("properties" in one) != ("additionalProperties" in one), path


def test_everything_in_the_spec_has_a_limit() -> None:
    """Text a length, a list and a map a size, a number its bounds: none can fill the API server's disk."""
    for path, one in nodes(SPEC):
        match one.get("type", "int-or-string"):
            case "string":
                assert "maxLength" in one or "enum" in one, path
            case "array":
                assert "maxItems" in one, path
            case "object":
                assert "properties" in one or "maxProperties" in one, path
            case "integer" | "int-or-string":
                assert {"minimum", "maximum"} <= set(one), path


def test_every_field_of_the_spec_is_described() -> None:
    """What `kubectl explain` shows; only an amount such as cpu says it by its name."""
    named = (".cpu", ".memory", ".ephemeral-storage", "[]", "{}")
    assert not [path for path, one in nodes(SPEC) if not path.endswith(named) and not one.get("description")]


@pytest.mark.parametrize("channel", Channel)
def test_each_channel_has_its_own_port_by_default(channel: Channel) -> None:
    """The default is the channel's, in the property and in the default of what is around it."""
    port = TradingSystemSpec(symbols=["IBM"]).endpoints.of(channel).port
    endpoints = SPEC["properties"]["endpoints"]
    assert endpoints["properties"][endpoint_key(channel)]["properties"]["port"]["default"] == port
    assert endpoints["default"][endpoint_key(channel)]["port"] == port


def test_the_defaults_are_the_models() -> None:
    """A spec with only its symbols is, with all that the schema fills in, the spec that the model makes of it."""
    filled = {name: one["default"] for name, one in SPEC["properties"].items() if "default" in one}
    assert TradingSystemSpec.of_manifest({"symbols": ["IBM"], **filled}) == TradingSystemSpec(symbols=["IBM"])


def test_kubectl_apply_can_remember_it() -> None:
    """Without --server-side it keeps the whole manifest in an annotation, and all of them have 256 KiB."""
    assert len(json.dumps(definition())) < 200 * 1024


def test_status_takes_what_the_operator_says() -> None:
    """Of what is in status nothing has a default: the operator alone says it."""
    assert not [path for path, one in nodes(SCHEMA["properties"]["status"]) if "default" in one]
