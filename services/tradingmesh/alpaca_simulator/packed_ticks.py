"""A list of one symbol's ticks in a sixth of the memory: their integers side by side, made into structs when read."""

import struct
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from tradingmesh.core.market import Quote, Trade

T = TypeVar("T")


class Packed(ABC, Generic[T]):
    """As much of a list as a history needs: append, slices of step 1, the length."""

    _row: struct.Struct

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._rows = bytearray()

    def __len__(self) -> int:
        return len(self._rows) // self._row.size

    def __getitem__(self, at: slice) -> list[T]:
        return [self._made(row) for row in self._row.iter_unpack(self._rows[self._bytes(at)])]

    def __delitem__(self, at: slice) -> None:
        del self._rows[self._bytes(at)]

    @abstractmethod
    def append(self, tick: T, /) -> None:
        """Takes the next one."""

    @abstractmethod
    def _made(self, row: tuple[int, ...]) -> T: ...

    def _bytes(self, at: slice) -> slice:
        first, last, _ = at.indices(len(self))
        return slice(first * self._row.size, last * self._row.size)


class PackedTrades(Packed[Trade]):
    """Trades, 20 bytes each."""

    _row = struct.Struct("<qIq")

    def append(self, tick: Trade, /) -> None:
        """See `Packed`."""
        self._rows += self._row.pack(tick.price_e4, tick.size, tick.timestamp_ns)

    def _made(self, row: tuple[int, ...]) -> Trade:
        return Trade(self._symbol, *row)


class PackedQuotes(Packed[Quote]):
    """Quotes, 32 bytes each."""

    _row = struct.Struct("<qqIIq")

    def append(self, tick: Quote, /) -> None:
        """See `Packed`."""
        self._rows += self._row.pack(tick.bid_e4, tick.ask_e4, tick.bid_size, tick.ask_size, tick.timestamp_ns)

    def _made(self, row: tuple[int, ...]) -> Quote:
        return Quote(self._symbol, *row)
