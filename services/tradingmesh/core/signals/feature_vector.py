"""All features of one symbol together: what the feature engine publishes."""

import msgspec

from tradingmesh.core.market import Trade
from tradingmesh.core.signals.book import Book
from tradingmesh.core.signals.features import Ema, Volatility, Vwap

FAST_PERIOD = 10
SLOW_PERIOD = 50
VOLATILITY_PERIOD = 100


class FeatureVector(msgspec.Struct, frozen=True, gc=False):
    """The features of a symbol as of `timestamp_ns`. What is not known yet is None; `_e4` means x 10,000."""

    symbol: str
    timestamp_ns: int
    ema_fast_e4: float | None = None
    ema_slow_e4: float | None = None
    vwap_e4: float | None = None
    volatility: float | None = None
    imbalance: float | None = None
    microprice_e4: float | None = None


class SymbolFeatures:
    """The features of one symbol, brought up to date by its trades and its book."""

    __slots__ = ("_fast", "_imbalance", "_microprice_e4", "_slow", "_volatility", "_vwap", "symbol")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self._fast = Ema(FAST_PERIOD)
        self._slow = Ema(SLOW_PERIOD)
        self._vwap = Vwap()
        self._volatility = Volatility(VOLATILITY_PERIOD)
        self._imbalance: float | None = None
        self._microprice_e4: float | None = None

    def on_trade(self, trade: Trade) -> FeatureVector:
        """What a trade tells: the averages and the volatility."""
        self._fast.update(trade.price_e4)
        self._slow.update(trade.price_e4)
        self._vwap.update(trade.price_e4, trade.size, trade.timestamp_ns)
        self._volatility.update(trade.price_e4)
        return self.vector(trade.timestamp_ns)

    def on_book(self, book: Book) -> FeatureVector:
        """What the book tells: where the displayed size leans."""
        self._imbalance = book.imbalance
        self._microprice_e4 = book.microprice_e4
        return self.vector(book.timestamp_ns)

    def vector(self, timestamp_ns: int) -> FeatureVector:
        """Everything known at that time."""
        traded = self._fast.count > 0
        return FeatureVector(
            self.symbol,
            timestamp_ns,
            self._fast.value if traded else None,
            self._slow.value if traded else None,
            self._vwap.value,
            self._volatility.value,
            self._imbalance,
            self._microprice_e4,
        )
