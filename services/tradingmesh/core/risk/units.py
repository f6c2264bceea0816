"""Scaled integers for the checks: quantities and prices x 1e9, notionals x 1e18, exact and fast to compare."""

from decimal import Decimal, Inexact

from tradingmesh.core.errors import InputError
from tradingmesh.core.money import EXACT, plain

E9 = 10**9
QUANTITY_MAX = Decimal(10**12)
PRICE_MAX = Decimal(10**9)
PRICE_MAX_E4 = 10**13
"""The same in a quote. Times 1e9 it has 60 bits, and a record's integers have 64."""


def scaled(value: Decimal, decimals: int) -> int:
    """The value x 10^decimals, cut toward zero."""
    return int(value.scaleb(decimals, EXACT))


def e9(value: Decimal, field: str, most: Decimal) -> int:
    """A positive amount x 1e9. Raises `InputError` naming `field` for no number, one finer than 1e-9 or too large."""
    if not value.is_finite() or not 0 < value <= most:
        raise InputError(f"{field} {value!s:.40} is not above 0 and at most {plain(most)}")
    try:
        exact = value.scaleb(9, EXACT)
    except Inexact:
        raise InputError(f"{field} has more digits than can be reckoned with") from None
    whole = int(exact)
    if whole != exact:
        raise InputError(f"{field} {value!s:.40} has more than 9 decimals")
    return whole


def text_e9(value_e9: int) -> str:
    """For a person: 2100, 0.5."""
    return plain(Decimal(value_e9).scaleb(-9, EXACT))


def text_e18(value_e18: int) -> str:
    """For a person."""
    return plain(Decimal(value_e18).scaleb(-18, EXACT))
