"""The kinds of values a manifest has, and the base of its models."""

import re
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

SYMBOL_MAX_BYTES = 8

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def duration_ms(text: str | int) -> int:
    """Milliseconds of a duration such as `100ms`, `5s` or `1.5m`; an int is taken as milliseconds already."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is not a duration such as 100ms, 5s or 1.5m")
    return int(Decimal(match[1]) * _MS[match[2]])


def _exact(value: object) -> object:
    if isinstance(value, float):
        raise ValueError(f"write {value} in quotes: a number with a fraction is read exactly only from text")  # noqa: TRY004
    return value


def _symbol(value: str) -> str:
    if len(value.encode()) > SYMBOL_MAX_BYTES:
        raise ValueError(f"{value!r} is longer than {SYMBOL_MAX_BYTES} bytes")
    if not re.fullmatch(r"[A-Z0-9./]+", value):
        raise ValueError(f"{value!r} is not a symbol: capitals, digits, dot and slash only")
    return value


Symbol = Annotated[str, AfterValidator(_symbol)]
DurationMs = Annotated[int, BeforeValidator(duration_ms), Field(ge=0)]
Exact = Annotated[Decimal, BeforeValidator(_exact), Field(allow_inf_nan=False)]
Positive = Annotated[Exact, Field(gt=0)]
Port = Annotated[int, Field(ge=1, le=65535)]


class Spec(BaseModel):
    """Base of every manifest model: camelCase outside, unknown fields refused, frozen once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )
