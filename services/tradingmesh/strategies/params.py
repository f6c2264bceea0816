"""Reading a strategy's parameters: each is right, or named in one sentence."""

from decimal import Decimal

from tradingmesh.core.errors import ConfigError, InputError
from tradingmesh.core.money import QUANTITY_DECIMALS, parse

PERIOD_MAX = 1_000_000


def period(field: str, value: object) -> int:
    """A whole number of ticks, from 1 to `PERIOD_MAX`. Raises `ConfigError` naming the field."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= PERIOD_MAX:
        raise ConfigError(f"{field}: {value!r} is not a whole number from 1 to {PERIOD_MAX}")
    return value


def quantity(field: str, value: object) -> Decimal:
    """An exact quantity above 0. Raises `ConfigError` naming the field."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ConfigError(f"{field}: {value!r} is not an exact number; write a fraction in quotes")
    try:
        parsed = parse(value, field=field, decimals=QUANTITY_DECIMALS)
    except InputError as wrong:
        raise ConfigError(str(wrong)) from None
    if parsed <= 0:
        raise ConfigError(f"{field}: {value} is not above 0")
    return parsed


def threshold(field: str, value: object) -> float:
    """A number from 0 to 100 that a feature is compared with. Raises `ConfigError` naming the field."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ConfigError(f"{field}: {value!r} is not a number from 0 to 100")
    return float(value)
