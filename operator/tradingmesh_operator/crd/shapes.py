"""The schemas of the values that Kubernetes has no type of its own for: exact numbers, durations, amounts."""

from collections.abc import Sequence
from typing import Any

from tradingmesh.contract import fields
from tradingmesh_operator.crd.rule import Rule

Schema = dict[str, Any]

_EXACT = fields.EXACT_PATTERN.removeprefix("^").removesuffix("$")
_EXACT_MAX_LENGTH = 26
AMOUNT_BOUNDS = {"minimum": 0, "maximum": fields.EXACT_MAX}


def int_or_text(bounds: Schema) -> Schema:
    """A whole number, or text: what YAML makes of it without quotes, and with them."""
    return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], **bounds}


def exact(bounds: Schema, words: Sequence[str] = ()) -> Schema:
    """A number that is never a float: whole, or in quotes; or one of some words."""
    limits: Schema = {"minimum": -fields.EXACT_MAX, "maximum": fields.EXACT_MAX, **bounds}
    above = limits.pop("exclusiveMinimum", False)
    if above:
        limits["minimum"] += 1
    limits |= {"pattern": f"^({'|'.join([*words, _EXACT])})$", "maxLength": _EXACT_MAX_LENGTH}
    word = "".join(f"self == '{one}' || " for one in words)
    rules = []
    if "minimum" in bounds:
        sign, told = (">", "above") if above else (">=", "at least")
        rules.append(Rule(f"{word}double(self) {sign} {bounds['minimum']}.0", f"must be {told} {bounds['minimum']}"))
    if "maximum" in bounds:
        rules.append(Rule(f"{word}double(self) <= {bounds['maximum']}.0", f"must be at most {bounds['maximum']}"))
    schema = int_or_text(limits)
    return {**schema, "x-kubernetes-validations": [rule.said() for rule in rules]} if rules else schema


def bounded_duration(bounds: Schema) -> Schema:
    """Text such as `5s`, within the bounds that are given in milliseconds."""
    schema: Schema = {"type": "string", "pattern": fields.DURATION_PATTERN, "maxLength": 12}
    told = [("minimum", ">=", "least"), ("maximum", "<=", "most")]
    rules = [
        Rule(
            f"duration(self) {sign} duration('{bounds[name]}ms')",
            f"must be at {word} {fields.duration_text(bounds[name])}",
        )
        for name, sign, word in told
        if name in bounds
    ]
    return {**schema, "x-kubernetes-validations": [rule.said() for rule in rules]} if rules else schema


def keys_rule(bounds: Schema) -> Rule | None:
    """What the names in a map have to look like: a schema says nothing of them."""
    if "pattern" not in bounds:
        return None
    pattern, most = bounds["pattern"], bounds["maxLength"]
    return Rule(f"self.all(k, k.size() <= {most} && k.matches('{pattern}'))", f"each name must match {pattern}")
