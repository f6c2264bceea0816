"""The limits of the manifest, made ready to compare: each symbol's own, the general ones where it has none."""

from decimal import Decimal
from typing import NamedTuple

from tradingmesh.contract import RiskLimits, SymbolLimits
from tradingmesh.core.risk.rate import MINUTE_NS
from tradingmesh.core.risk.units import scaled

_NS_PER_MS = 1_000_000


class OrderLimits(NamedTuple):
    """What one symbol's orders are held to; `None` where nothing was set, which refuses."""

    order_e9: int | None
    order_e18: int | None
    position_e9: int | None
    position_e18: int | None
    collar_percent_e9: int | None
    quote_age_ns: int | None


class Limits:
    """All limits of the mesh at one time. A limit finer than the unit is cut down: stricter, never looser."""

    def __init__(self, spec: RiskLimits) -> None:
        self._spec = spec
        self._of: dict[str, OrderLimits] = {}
        self.gross_e18 = _scaled(spec.max_gross_notional, 18)
        self.daily_loss_e18 = _scaled(spec.max_daily_loss, 18)
        self.open_orders = spec.max_open_orders
        self.orders_per_minute = spec.max_orders_per_minute
        self.duplicate_window_ns = spec.duplicate_window_ms * _NS_PER_MS
        self.keep_ns = max(MINUTE_NS, self.duplicate_window_ns)
        self.restricted = frozenset(spec.restricted_symbols)

    def of(self, symbol: str) -> OrderLimits:
        """The limits of one symbol."""
        found = self._of.get(symbol)
        if found is None:
            found = self._of[symbol] = _order_limits(self._spec, self._spec.per_symbol.get(symbol, SymbolLimits()))
        return found


def _order_limits(general: RiskLimits, own: SymbolLimits) -> OrderLimits:
    def pick(name: str) -> Decimal | None:
        value: Decimal | None = getattr(own, name)
        return getattr(general, name) if value is None else value

    age_ms = general.max_quote_age_ms if own.max_quote_age_ms is None else own.max_quote_age_ms
    return OrderLimits(
        order_e9=_scaled(pick("max_order_quantity"), 9),
        order_e18=_scaled(pick("max_order_notional"), 18),
        position_e9=_scaled(pick("max_position_quantity"), 9),
        position_e18=_scaled(pick("max_position_notional"), 18),
        collar_percent_e9=_scaled(pick("price_collar_percent"), 9),
        quote_age_ns=None if age_ms is None else age_ms * _NS_PER_MS,
    )


def _scaled(value: Decimal | None, decimals: int) -> int | None:
    return None if value is None else scaled(value, decimals)
