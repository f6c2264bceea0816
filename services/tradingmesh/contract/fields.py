"""The kinds of values a manifest has, and the base of its models.

What is read as one kind is not taken for another: 5 is no "5", and 5.0 no whole number. Kubernetes is as strict, and a
manifest that one of the two takes, the other takes as well.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic.types import Strict

SYMBOL_MAX_BYTES = 8
SYMBOL_PATTERN = rf"^[A-Z0-9./]{{1,{SYMBOL_MAX_BYTES}}}$"
SYMBOLS_MAX = 1_000

EXACT_MAX = 10**15 - 1
EXACT_PATTERN = r"^-?[0-9]{1,15}([.][0-9]{1,9})?$"
"""Money, quantities and rates: Kubernetes compares no finer ones, and no larger ones exactly."""

DURATION_PATTERN = (
    r"^([0-9]{1,9}ms|[0-9]{1,6}([.][0-9]{1,3})?s|[0-9]{1,4}([.][0-9]{1,3})?m|[0-9]{1,2}([.][0-9]{1,3})?h)$"
)
"""Whole milliseconds, and fewer than fit in the 32 bits that ZeroMQ has for them: up to four days at least."""

WHOLE_MAX = 2**31 - 1

_UNITS = re.compile(r"([0-9.]+)(ms|s|m|h)")
_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}


def duration_ms(value: object, info: ValidationInfo) -> int:
    """Milliseconds of a duration such as `100ms`, `5s` or `1.5m`. In a manifest the unit belongs to it.

    Python code, which says the unit in the field's name, gives milliseconds as an int.
    """
    said_in_python = info.context is not MANIFEST
    if said_in_python and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _UNITS.fullmatch(value) if isinstance(value, str) and re.fullmatch(DURATION_PATTERN, value) else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration such as 100ms, 5s or 1.5m")
    return int(Decimal(match[1]) * _MS[match[2]])


def duration_text(duration: int) -> str:
    """Milliseconds in the largest unit of which they are a whole number, as `duration_ms` reads them."""
    for unit, most in (("h", 99), ("m", 9_999), ("s", 999_999)):
        if duration and duration % _MS[unit] == 0 and duration // _MS[unit] <= most:
            return f"{duration // _MS[unit]}{unit}"
    return f"{duration}ms" if duration else "0s"


def exact(value: object) -> object:
    """An exact number of a manifest: whole, or text such as `"0.005"`."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        raise ValueError(f"write {value} in quotes: a number with a fraction is read exactly only from text")  # noqa: TRY004
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(EXACT_PATTERN, str(value)):
        raise ValueError('must be an exact number such as 250000 or "0.005"')
    return Decimal(value)


def amount(value: object) -> object:
    """An amount of a resource: a whole number is as good as its text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else value


def whole(value: int) -> int:
    """A whole number that fits in 32 bits. As a `Field` its bounds would take the place of a field's own."""
    if abs(value) > WHOLE_MAX:
        raise ValueError(f"must be at most {WHOLE_MAX}")
    return value


def symbol(value: str) -> str:
    """A symbol as the wire can carry it."""
    if len(value.encode()) > SYMBOL_MAX_BYTES:
        raise ValueError(f"{value!r} is longer than {SYMBOL_MAX_BYTES} bytes")
    if not re.fullmatch(SYMBOL_PATTERN, value):
        raise ValueError(f"{value!r} is not a symbol: capitals, digits, dot and slash only")
    return value


def differ(values: list[str]) -> list[str]:
    """A list in which nothing is twice."""
    if len(set(values)) != len(values):
        raise ValueError("a symbol is listed twice")
    return values


Symbol = Annotated[str, AfterValidator(symbol)]
Symbols = Annotated[list[Symbol], Field(max_length=SYMBOLS_MAX), AfterValidator(differ)]
DurationMs = Annotated[int, BeforeValidator(duration_ms), PlainSerializer(duration_text, str, when_used="json")]
Exact = Annotated[Decimal, BeforeValidator(exact), Field(allow_inf_nan=False)]
Positive = Annotated[Exact, Field(gt=0)]
Whole = Annotated[int, Strict(), AfterValidator(whole)]
Flag = Annotated[bool, Strict()]
Port = Annotated[Whole, Field(ge=1, le=65535)]
Text = Annotated[str, Field(max_length=1_024)]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$", max_length=253)]
"""The name of a Kubernetes object."""

MANIFEST = object()
"""The context in which a manifest is read, rather than a model made by Python code."""


class Spec(BaseModel):
    """Base of every manifest model: camelCase outside, unknown fields refused, frozen once read."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def of_manifest(cls, content: Any) -> Self:
        """The model of parsed YAML or JSON, read as Kubernetes reads it. Raises pydantic's `ValidationError`."""
        return cls.model_validate(content, by_alias=True, by_name=False, context=MANIFEST)
