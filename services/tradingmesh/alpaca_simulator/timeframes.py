"""The timeframes of Alpaca's historical bars, and where in each a moment's bar begins."""

import re
from datetime import date, datetime, timedelta
from typing import NamedTuple

from tradingmesh.alpaca_simulator.sessions import NEW_YORK
from tradingmesh.alpaca_simulator.times import midnight_ns
from tradingmesh.core.errors import InputError
from tradingmesh.core.tape.bars import MINUTE_NS

_TEXT = re.compile(r"([1-9][0-9]?)(Min|T|Hour|H|Day|D|Week|W|Month|M)", re.ASCII)
_LONG = {"T": "Min", "H": "Hour", "D": "Day", "W": "Week", "M": "Month"}
_COUNTS = {
    "Min": range(1, 60),
    "Hour": range(1, 24),
    "Day": (1,),
    "Week": (1,),
    "Month": (1, 2, 3, 4, 6, 12),
}
_MINUTES = {"Min": 1, "Hour": 60}


class Timeframe(NamedTuple):
    """So many `units` of `Min`, `Hour`, `Day`, `Week` or `Month`."""

    units: int
    unit: str

    def start_ns(self, timestamp_ns: int) -> int:
        """Where the bar begins that the moment falls into: counted from midnight, Monday or January in New York."""
        day = new_york_day(timestamp_ns)
        if self.unit in _MINUTES:
            midnight = midnight_ns(day)
            width_ns = self.units * _MINUTES[self.unit] * MINUTE_NS
            return midnight + (timestamp_ns - midnight) // width_ns * width_ns
        if self.unit == "Week":
            day -= timedelta(days=day.weekday())
        elif self.unit == "Month":
            day = date(day.year, (day.month - 1) // self.units * self.units + 1, 1)
        return midnight_ns(day)


def parse_timeframe(text: str) -> Timeframe:
    """The timeframe of `5Min`, `1H`, `1Day` and so on. Raises `InputError`."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise InputError(f"timeframe: {text!r} is not like 1Min, 4Hour, 1Day, 1Week or 3Month")
    count, unit = int(match[1]), _LONG.get(match[2], match[2])
    if count not in _COUNTS[unit]:
        raise InputError(f"timeframe: there are no bars of {count} {unit}")
    return Timeframe(count, unit)


def new_york_day(timestamp_ns: int) -> date:
    """The day in New York."""
    return datetime.fromtimestamp(timestamp_ns // 10**9, NEW_YORK).date()
