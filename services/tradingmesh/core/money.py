"""Exact money. Market data carries prices as integers x 10,000 (`price_e4`); orders, fills and ledgers are `Decimal`.

`EXACT` is the only context in which money is added or multiplied: it raises rather than rounds. Alpaca has at most
nine decimals in a quantity and prices have at most nine here, so 60 digits hold any sum that can occur.
"""

from decimal import ROUND_DOWN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

from tradingmesh.core.errors import InputError

EXACT = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])
QUANTITY_DECIMALS = 9
PRICE_DECIMALS = 9
ZERO = Decimal(0)
PRICE_E4_MAX = 2**63 - 1
SIZE_MAX = 2**32 - 1
_DIGITS_MAX = 30


def of_e4(price_e4: int) -> Decimal:
    """The price in dollars, exact."""
    return Decimal(price_e4).scaleb(-4, EXACT)


def to_e4(price: Decimal) -> int:
    """The price x 10,000. Raises `InputError` for what does not fit: negative, not a number, finer than 1/10,000."""
    if not price.is_finite() or price < 0:
        raise InputError(f"price {price} is not a price")
    if price.adjusted() > 14:
        raise InputError(f"price {price} is too large")
    scaled = price.scaleb(4, EXACT)
    whole = int(scaled)
    if whole != scaled:
        raise InputError(f"price {price} is finer than 1/10,000 of a dollar")
    return whole


def parse(text: str | int | Decimal, *, field: str, decimals: int) -> Decimal:
    """A finite Decimal of at most `decimals` places from text. Raises `InputError` naming `field`; refuses floats."""
    if isinstance(text, float):
        raise InputError(f"{field}: {text} is a float, which cannot carry money")
    try:
        value = Decimal(text)
    except (InvalidOperation, TypeError, ValueError):
        raise InputError(f"{field}: {text!r:.40} is not a number") from None
    if not value.is_finite():
        raise InputError(f"{field}: {text!r} is not a finite number")
    if value.adjusted() > _DIGITS_MAX - 1:
        raise InputError(f"{field}: {text!s:.40} is too large")
    _, digits, exponent = value.as_tuple()
    beyond = -int(exponent) - decimals
    if beyond > 0 and any(digits[-beyond:]):
        raise InputError(f"{field}: {text!s:.40} has more than {decimals} decimals")
    return value


def notional(quantity: Decimal, price: Decimal) -> Decimal:
    """Quantity x price, exact."""
    return EXACT.multiply(quantity, price)


def plain(value: Decimal) -> str:
    """The value without exponent and without trailing zeros: what Alpaca writes, and what a person reads."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def cents(value: Decimal) -> Decimal:
    """The value cut to cents, toward zero: for showing, never for booking."""
    return value.quantize(Decimal("0.01"), rounding=ROUND_DOWN)
