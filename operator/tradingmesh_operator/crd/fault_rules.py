"""The rules of a fault, from the table that the simulator's faults themselves are checked by."""

from tradingmesh.contract.faults import ALWAYS, CODES, PARAMETERS, FaultKind, FaultPlace, FaultSpec
from tradingmesh_operator.crd.rule import Rule

_PAIR = "(self.where + '/' + self.what)"

_SAID = {
    "rate": "double(self.rate) != 1.0",
    "times": "has(self.times)",
    "min_ms": "duration(self.min) != duration('0s')",
    "max_ms": "duration(self.max) != duration('0s')",
    "requests": "self.requests != '* *'",
    "acted": "self.acted",
    "code": "has(self.code)",
    "retry_after_ms": "duration(self.retryAfter) != duration('1s')",
    "answers_pings": "!self.answersPings",
}
"""Whether something else than its default is said of each parameter."""


def _pairs() -> Rule:
    pairs = [f"{place}/{kind}" for place, kinds in PARAMETERS.items() for kind in kinds]
    return Rule(f"{_PAIR} in {_listed(pairs)}", "where and what do not go together", ".what")


def _parameter(name: str) -> Rule:
    kinds = [(place, kind) for place, kinds in PARAMETERS.items() for kind, names in kinds.items() if name in names]
    alias = FaultSpec.model_fields[name].alias
    told = ", ".join(f"{kind} on {place}" for place, kind in kinds)
    pairs = _listed([f"{place}/{kind}" for place, kind in kinds])
    return Rule(f"!({_SAID[name]}) || {_PAIR} in {pairs}", f"goes with {told} only", f".{alias}")


def _codes(place: FaultPlace) -> Rule:
    codes = ", ".join(map(str, CODES[place]))
    rule = f"{_PAIR} != '{place}/{FaultKind.ERROR}' || (has(self.code) && self.code in [{codes}])"
    return Rule(rule, f"must be one of {codes} on {place}", ".code")


def _listed(words: list[str]) -> str:
    return "[" + ", ".join(f"'{word}'" for word in words) + "]"


FAULT_RULES = [
    _pairs(),
    *(_parameter(name) for name in FaultSpec.model_fields if name not in ALWAYS),
    *(_codes(place) for place in CODES),
    Rule(
        "!(self.what in ['delay', 'reorder']) || "
        "(duration(self.max) > duration('0s') && duration(self.max) >= duration(self.min))",
        "must be above 0 and not below min",
        ".max",
    ),
    Rule("!(has(self.code) && self.code == 429 && self.acted)", "does not go with code 429", ".acted"),
    Rule(
        f"!({_SAID['retry_after_ms']}) || (has(self.code) && self.code == 429)",
        "goes with code 429 only",
        ".retryAfter",
    ),
]
