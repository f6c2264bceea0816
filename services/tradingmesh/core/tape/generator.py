"""A tape out of nothing: seeded, so that one seed gives one tape on every machine.

The mid price is a random walk in cents with a drift that turns every few hundred events (so that averages cross again
and again) and a pull back toward the symbol's opening price (so that it never wanders off). Around it stand a bid and
an ask one to three cents apart; each fifth event or so is a trade at one of them. Time begins at 09:30 in New York on
a fixed trading day, and no two events share a time stamp.
"""

from collections.abc import Iterator, Sequence

import msgspec

from tradingmesh.core.errors import InputError
from tradingmesh.core.market import Quote, Tick, Trade

OPEN_NS = 1_709_562_600 * 10**9
"""Monday 2024-03-04 09:30 in New York."""

_MASK = 2**64 - 1
_CENT_E4 = 100
_LOT = 100

# A 64-bit draw serves one event: ten bits a decision, so probabilities are in 1/1024.
_TRADE = 205
_STEP = 200
_EVEN = 512
_DRIFT = 240
_CENTS_PER_PULL = 2
_TURN_EVENTS_MIN = 300


class TapeSettings(msgspec.Struct, frozen=True):
    """What to generate: `ticks_per_second` is per symbol."""

    symbols: Sequence[str]
    seed: int = 7
    duration_ms: int = 60_000
    ticks_per_second: int = 200

    def __post_init__(self) -> None:
        """Raises `InputError` naming the field that does not fit."""
        if not self.symbols:
            raise InputError("symbols: a generated tape needs at least one")
        if not 1 <= self.ticks_per_second <= 100_000:
            raise InputError(f"ticksPerSecond: {self.ticks_per_second} is not between 1 and 100,000")

    @property
    def slots(self) -> int:
        """How many events each symbol has."""
        return self.duration_ms * self.ticks_per_second // 1000

    @property
    def length(self) -> int:
        """How many events there are."""
        return len(self.symbols) * self.slots


def splitmix64(state: int) -> tuple[int, int]:
    """The next state and 64 random bits (Steele, Lea and Flood 2014: the generator that seeds Java's)."""
    state = (state + 0x9E3779B97F4A7C15) & _MASK
    bits = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return state, bits ^ (bits >> 31)


def generate(settings: TapeSettings) -> Iterator[Tick]:
    """The events in time order; the first of each symbol is a quote.

    Time is cut into slots of 1 / `ticks_per_second`, and each slot into one share for each symbol: within its share
    the symbol's event falls at a random time.
    """
    slot_ns = 10**9 // settings.ticks_per_second
    share_ns = slot_ns // len(settings.symbols)
    walks = [_Walk(symbol, settings.seed, share_ns) for symbol in settings.symbols]
    start_ns = OPEN_NS
    for _ in range(settings.slots):
        at_ns = start_ns
        for walk in walks:
            yield walk.tick(at_ns)
            at_ns += share_ns
        start_ns += slot_ns


class _Walk:
    """The state of one symbol's price."""

    def __init__(self, symbol: str, seed: int, share_ns: int) -> None:
        self._symbol = symbol
        self._share_ns = share_ns
        self._state, bits = splitmix64((seed ^ int.from_bytes(symbol.encode(), "big")) & _MASK)
        self._home_cents = 2_000 + bits % 18_000
        self._mid_cents = self._home_cents
        self._drift = 0
        self._until_turn = 0
        self._quote: Quote | None = None

    def tick(self, share_start_ns: int) -> Tick:
        """The next event, within the share that starts then."""
        self._state, bits = splitmix64(self._state)
        at_ns = share_start_ns + (((bits & 0xFFFF) * self._share_ns) >> 16)
        kind, bits = (bits >> 16) & 1023, bits >> 26
        quote = self._quote
        if kind < _TRADE and quote is not None:
            return self._trade(quote, bits, at_ns)
        self._quote = quote = self._step(bits, at_ns)
        return quote

    def _trade(self, quote: Quote, bits: int, at_ns: int) -> Trade:
        price_e4, displayed = (quote.ask_e4, quote.ask_size) if bits & 1 else (quote.bid_e4, quote.bid_size)
        return Trade(self._symbol, price_e4, _LOT * (1 + (bits >> 1) % (displayed // _LOT)), at_ns)

    def _step(self, bits: int, at_ns: int) -> Quote:
        if self._until_turn == 0:
            self._drift = -_DRIFT if self._drift > 0 else _DRIFT
            self._until_turn = _TURN_EVENTS_MIN + (bits >> 28 & 511)
        self._until_turn -= 1
        if bits & 1023 < _STEP:
            pull = (self._mid_cents - self._home_cents) // _CENTS_PER_PULL
            self._mid_cents += 1 if (bits >> 10) & 1023 < _EVEN + self._drift - pull else -1
        spread = (1, 1, 2, 3)[(bits >> 20) & 3]
        bid = self._mid_cents - spread // 2
        return Quote(
            self._symbol,
            bid * _CENT_E4,
            (bid + spread) * _CENT_E4,
            _LOT * (1 + ((bits >> 22) & 255) % 10),
            _LOT * (1 + ((bits >> 30) & 255) % 10),
            at_ns,
        )
