"""Query parameters, read strictly: what does not fit is refused with its name."""

from aiohttp import web

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.times import parse_time
from tradingmesh.core.errors import InputError


def integer(request: web.Request, name: str, default: int, *, at_most: int) -> int:
    """A whole number from 1 to `at_most`."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= at_most):
        raise refusals.invalid(f"{name} must be a whole number from 1 to {at_most}")
    return int(text)


def choice(request: web.Request, name: str, default: str, *allowed: str) -> str:
    """One of the allowed words."""
    text = request.query.get(name) or default
    if text not in (default, *allowed):
        raise refusals.invalid(f"{name} must be one of {', '.join((default, *allowed))}")
    return text


def flag(request: web.Request, name: str) -> bool:
    """True or false, in any case; absent is false."""
    text = request.query.get(name, "false").lower()
    if text not in ("true", "false"):
        raise refusals.invalid(f"{name} must be true or false")
    return text == "true"


def time_ns(request: web.Request, name: str) -> int | None:
    """A day or a time, in nanoseconds."""
    text = request.query.get(name)
    if not text:
        return None
    try:
        return parse_time(text, name)
    except InputError as error:
        raise refusals.invalid(str(error)) from None


def words(request: web.Request, name: str) -> frozenset[str]:
    """A list of words, comma separated or the parameter repeated; empty where it is not given."""
    return frozenset(word for text in request.query.getall(name, []) for word in text.split(",") if word)
