"""Market time as text and back: RFC 3339 with nanoseconds, as Alpaca writes it."""

import re
from datetime import UTC, date, datetime, time
from functools import lru_cache

from tradingmesh.alpaca_simulator.sessions import NEW_YORK
from tradingmesh.core.errors import InputError

_SECOND_NS = 10**9
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)?)?", re.ASCII)


@lru_cache(maxsize=256)
def _second_utc(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}"


def rfc3339(now_ns: int) -> str:
    """The time in UTC."""
    second, fraction = divmod(now_ns, _SECOND_NS)
    digits = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{_second_utc(second)}{digits}Z"


def rfc3339_new_york(now_ns: int) -> str:
    """The time with New York's offset, as the clock answers."""
    second, fraction = divmod(now_ns, _SECOND_NS)
    moment = datetime.fromtimestamp(second, NEW_YORK).isoformat()
    return f"{moment[:-6]}.{fraction:09d}{moment[-6:]}" if fraction else moment


def parse_time(text: str, field: str) -> int:
    """Nanoseconds of `YYYY-MM-DD` (midnight UTC) or an RFC 3339 time. Raises `InputError` naming `field`."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise InputError(f"{field}: {text!r} is neither YYYY-MM-DD nor an RFC 3339 time")
    day, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock or '00:00'}{offset.upper() if offset else '+00:00'}")
        second = int(moment.timestamp())
    except (ValueError, OverflowError):
        raise InputError(f"{field}: {text!r} is not a time") from None
    return second * _SECOND_NS + int((fraction or ".0")[1:].ljust(9, "0"))


def parse_day(text: str, field: str) -> date:
    """The day of `YYYY-MM-DD` or of an RFC 3339 time. Raises `InputError` naming `field`."""
    parse_time(text, field)
    return date.fromisoformat(text[:10])


def midnight_ns(day: date) -> int:
    """Where a day begins in New York."""
    return int(datetime.combine(day, time(), NEW_YORK).timestamp()) * _SECOND_NS
