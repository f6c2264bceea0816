"""The schemas of the values that Kubernetes has no type of its own for: exact numbers, durations, amounts."""

from typing import Any

from tradingmesh.contract import fields
from tradingmesh_operator.crd.rule import Rule

Schema = dict[str, Any]

_EXACT = fields.EXACT_PATTERN.removeprefix("^").removesuffix("$")
_POSITIVE = "[0-9]{0,17}[1-9][0-9]{0,17}([.][0-9]{1,9})?|[0-9]{1,18}[.][0-9]{0,8}[1-9][0-9]{0,8}"
_EXACT_MAX_LENGTH = 29
_WHOLE_EXACT_MAX = 10**18 - 1
AMOUNT_BOUNDS = {"minimum": 0, "maximum": _WHOLE_EXACT_MAX}


def int_or_text(bounds: Schema) -> Schema:
    """A whole number, or text: what YAML makes of it without quotes, and with them."""
    return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], **bounds}


def exact(bounds: Schema) -> Schema:
    """A number that is never a float: whole, or in quotes."""
    return _exact("", bounds)


def exact_or_word(bounds: Schema, words: list[str]) -> Schema:
    """The same, or one of some words."""
    return _exact("".join(f"{word}|" for word in words), bounds)


def _exact(words: str, bounds: Schema) -> Schema:
    low = bounds.get("minimum")
    number = _EXACT if low is None else _POSITIVE if bounds.get("exclusiveMinimum") else _EXACT.removeprefix("-?")
    limits = {
        "pattern": f"^({words}{number})$",
        "maxLength": _EXACT_MAX_LENGTH,
        "minimum": -_WHOLE_EXACT_MAX if low is None else 1 if bounds.get("exclusiveMinimum") else low,
        "maximum": bounds.get("maximum", _WHOLE_EXACT_MAX),
    }
    schema = int_or_text(limits)
    if "maximum" in bounds:
        most = bounds["maximum"]
        rule = Rule(f"quantity(string(self)).compareTo(quantity('{most}')) <= 0", f"must be at most {most}")
        schema["x-kubernetes-validations"] = [rule.said()]
    return schema


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
