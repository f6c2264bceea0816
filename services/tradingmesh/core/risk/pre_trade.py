"""Every pre-trade check: a function from the state and what is asked to why not, in a sentence; empty means it passes.

The two plans at the end say which checks are made at which stage, in the order of `Check`. A limit that is not set
refuses. A check of a position looks in the direction of the order: what would be held if it and every working order of
its side filled. So an order that only reduces a position passes these, whatever the position is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import msgspec

from tradingmesh.contract import FLATTEN, TradingState
from tradingmesh.core.checks import Check, Stage, Writer
from tradingmesh.core.money import plain
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.risk.limits import OrderLimits
from tradingmesh.core.risk.rate import order_key
from tradingmesh.core.risk.reservations import Reservation
from tradingmesh.core.risk.state import RiskState
from tradingmesh.core.risk.symbol_book import SymbolBook
from tradingmesh.core.risk.trading_status import breaker_told, trading_told
from tradingmesh.core.risk.units import E9, text_e9, text_e18
from tradingmesh.core.signal import Side, Signal

_NS_PER_MS = 1_000_000


class Ask(msgspec.Struct):
    """A request made ready to check. `price_e9` is what a share would trade at: 0 for a market order without a quote.

    `reservation` is the one of this signal, if it has one: its quantity is not counted twice.
    """

    signal: Signal
    stage: Stage
    request_id: str
    reservation_id: str
    writer: Writer
    symbol_acked: int
    acked: int
    book: SymbolBook
    limits: OrderLimits
    quantity_e9: int
    price_e9: int
    now_ns: int
    market_ns: int
    reservation: Reservation | None

    @property
    def exposure_e9(self) -> int:
        """The position in the order's direction, with every working order of that side and this one."""
        own_e9 = self.reservation.open_e9 if self.reservation is not None else 0
        return self.book.exposure_e9(self.signal.side) - own_e9 + self.quantity_e9

    @property
    def reduces(self) -> bool:
        """Whether it can only shrink the position: it does not flip it, even with all working orders of its side."""
        return self.exposure_e9 <= 0


def ledger_whole(state: RiskState, ask: Ask) -> str:
    """The ledger has all that the engine knows it to have acknowledged, of the symbol and in all."""
    outbox = ask.writer.outbox_epoch
    have = state.reports.next_of((outbox, ask.book.symbol)) - 1
    if have < ask.symbol_acked:
        return _behind(have, ask.symbol_acked, ask.book.symbol)
    have = state.reports.taken_of(outbox)
    return _behind(have, ask.acked, "that outbox") if have < ask.acked else ""


def fenced(state: RiskState, ask: Ask) -> str:
    """No execution engine of a later epoch has asked: two at once could submit one signal's order twice."""
    if ask.writer.epoch >= state.writer_epoch:
        return ""
    return f"execution engine of epoch {state.writer_epoch} has taken over from that of epoch {ask.writer.epoch}"


def trading_state(state: RiskState, ask: Ask) -> str:
    """Halted passes nothing, Reducing what reduces."""
    trading = state.trading
    if trading is TradingState.ACTIVE or (trading is TradingState.REDUCING and ask.reduces):
        return ""
    told = trading_told(state)
    return told if trading is TradingState.HALTED else f"{told} and the order would not only reduce"


def circuit_breaker(state: RiskState, ask: Ask) -> str:
    """Open passes nothing but the closing orders of a flatten under way, HalfOpen what reduces."""
    breaker = state.breaker.state
    if breaker is BreakerState.CLOSED:
        return ""
    closing = state.flatten.active and ask.signal.strategy == FLATTEN
    if (closing or breaker is BreakerState.HALF_OPEN) and ask.reduces:
        return ""
    return breaker_told(state)


def restricted_symbol(state: RiskState, ask: Ask) -> str:
    """A restricted symbol is not traded at all."""
    return f"{ask.book.symbol} is restricted" if ask.book.symbol in state.limits.restricted else ""


def ledger_agrees(state: RiskState, ask: Ask) -> str:
    """The ledger has what the broker has of the symbol; else the order reduces the one position and the other."""
    more_e9 = state.differences.of_e9(ask.book.symbol)
    if not more_e9 or (ask.reduces and ask.exposure_e9 + ask.signal.side.sign * more_e9 <= 0):
        return ""
    return f"{dict(state.differences.told())[ask.book.symbol]}: only what reduces both is approved"


def duplicate(state: RiskState, ask: Ask) -> str:
    """A signal is approved once, and an equal order not twice within the window."""
    signal = ask.signal
    if ask.reservation is not None or state.reservations.was_approved(signal.signal_id):
        return f"signal {signal.signal_id} was approved before"
    last_ns = state.recent.last_ns(order_key(signal))
    window_ns = state.limits.duplicate_window_ns
    if last_ns is None or abs(ask.market_ns - last_ns) >= window_ns:
        return ""
    since_ms = (ask.market_ns - last_ns) // _NS_PER_MS
    return f"an equal order was approved {since_ms} ms ago, the window is {window_ns // _NS_PER_MS} ms"


def order_quantity(_state: RiskState, ask: Ask) -> str:
    """The order's size."""
    limit_e9 = ask.limits.order_e9
    if limit_e9 is None:
        return _unset("maxOrderQuantity")
    if ask.quantity_e9 <= limit_e9:
        return ""
    return f"{ask.book.symbol} order of {text_e9(ask.quantity_e9)}, limit is {text_e9(limit_e9)}"


def quote_age(_state: RiskState, ask: Ask) -> str:
    """The quote is fresh by both clocks: since it was received, and against the market's time.

    One received in the future is from before the wall clock was set back, and as old as that at least.
    """
    limit_ns, book = ask.limits.quote_age_ns, ask.book
    if limit_ns is None:
        return _unset("maxQuoteAge")
    if not book.quoted:
        return f"there is no two-sided quote of {book.symbol}"
    age_ns = max(abs(ask.now_ns - book.received_ns), ask.market_ns - book.quote_ns)
    if age_ns <= limit_ns:
        return ""
    return f"the quote of {book.symbol} is {age_ns // _NS_PER_MS} ms old, limit is {limit_ns // _NS_PER_MS} ms"


def price_collar(_state: RiskState, ask: Ask) -> str:
    """The order's price (of a market order: the quote's far side) is near the quote's mid."""
    limit_e9 = ask.limits.collar_percent_e9
    if limit_e9 is None:
        return _unset("priceCollarPercent")
    mid_e9 = ask.book.mid_e9
    away_e9 = abs(ask.price_e9 - mid_e9)
    if away_e9 * 100 * E9 <= limit_e9 * mid_e9:
        return ""
    percent = plain(Decimal(away_e9 * 100_000 // mid_e9).scaleb(-3))
    return (
        f"{ask.book.symbol} at {text_e9(ask.price_e9)} is {percent} % from the mid {text_e9(mid_e9)}, "
        f"limit is {text_e9(limit_e9)} %"
    )


def order_notional(_state: RiskState, ask: Ask) -> str:
    """The order's value."""
    limit_e18 = ask.limits.order_e18
    if limit_e18 is None:
        return _unset("maxOrderNotional")
    notional_e18 = ask.quantity_e9 * ask.price_e9
    if notional_e18 <= limit_e18:
        return ""
    return f"{ask.book.symbol} order of {text_e18(notional_e18)}, limit is {text_e18(limit_e18)}"


def position_quantity(_state: RiskState, ask: Ask) -> str:
    """The position, should this and the working orders of its side fill."""
    limit_e9 = ask.limits.position_e9
    if limit_e9 is None:
        return _unset("maxPositionQuantity")
    held_e9 = ask.exposure_e9
    if held_e9 <= limit_e9:
        return ""
    return f"{_would_be(ask, text_e9(held_e9))}, limit is {text_e9(limit_e9)}"


def position_notional(_state: RiskState, ask: Ask) -> str:
    """The same in money: what is held at its mark, orders at their prices."""
    limit_e18 = ask.limits.position_e18
    if limit_e18 is None:
        return _unset("maxPositionNotional")
    held_e18 = ask.book.exposure_e18(ask.signal.side) + ask.quantity_e9 * ask.price_e9
    if held_e18 <= limit_e18 or ask.reduces:
        return ""
    return f"{_would_be(ask, text_e18(held_e18))}, limit is {text_e18(limit_e18)}"


def gross_notional(state: RiskState, ask: Ask) -> str:
    """Every symbol's larger side, added up. An order that does not raise the sum passes."""
    limit_e18 = state.limits.gross_e18
    if limit_e18 is None:
        return _unset("maxGrossNotional")
    gross_e18 = state.gross_e18
    book, side = ask.book, ask.signal.side
    towards_e18 = book.exposure_e18(side) + ask.quantity_e9 * ask.price_e9
    added_e18 = max(towards_e18 - book.gross_e18, 0)
    if not added_e18 or gross_e18 + added_e18 <= limit_e18:
        return ""
    return (
        f"all positions would be {text_e18(gross_e18 + added_e18)} with working orders, limit is {text_e18(limit_e18)}"
    )


def open_orders(state: RiskState, _ask: Ask) -> str:
    """How many orders are working or approved to be."""
    limit = state.limits.open_orders
    if limit is None:
        return _unset("maxOpenOrders")
    count = len(state.reservations)
    return "" if count < limit else f"{count} orders are open, limit is {limit}"


def order_rate(state: RiskState, ask: Ask) -> str:
    """How many orders a minute of market time."""
    limit = state.limits.orders_per_minute
    if limit is None:
        return _unset("maxOrdersPerMinute")
    count = state.recent.within_minute(ask.market_ns)
    return "" if count < limit else f"{count} orders within a minute, limit is {limit}"


def daily_loss(state: RiskState, ask: Ask) -> str:
    """The day's loss is within its limit, or the order reduces."""
    if state.limits.daily_loss_e18 is None:
        return _unset("maxDailyLoss")
    return "" if ask.reduces else state.loss()


def reservation(_state: RiskState, ask: Ask) -> str:
    """The order has the reservation it names: open, of the very same signal, confirmed by no other request."""
    found = ask.reservation
    if found is None or found.reservation_id != ask.reservation_id:
        return (
            f"signal {ask.signal.signal_id} has no reservation {ask.reservation_id!r} (never given, expired or ended)"
        )
    if found.signal != ask.signal:
        return f"reservation {found.reservation_id} was given to a signal with other figures"
    if found.confirmed_by and (found.confirmed_by, found.writer) != (ask.request_id, ask.writer):
        return f"reservation {found.reservation_id} was confirmed by request {found.confirmed_by} before"
    return ""


def _behind(have: int, acked: int, of: str) -> str:
    return f"the ledger has {have} of {acked} reports of {of}, the others are lost or on their way again"


def _unset(limit: str) -> str:
    return f"{limit} is not set"


def _would_be(ask: Ask, held: str) -> str:
    sign = "" if ask.signal.side is Side.BUY else "-"
    return f"{ask.book.symbol} would be {sign}{held} with working orders"


Test = Callable[[RiskState, Ask], str]


@dataclass(frozen=True)
class Plan:
    """Checks in their order. `passed[n]` are the names of those before the n-th; `Check.REQUEST` was made already."""

    tests: tuple[tuple[Check, Test], ...]
    passed: tuple[tuple[Check, ...], ...]

    @classmethod
    def of(cls, tests: dict[Check, Test], names: frozenset[Check]) -> "Plan":
        """The checks of those names, in the order of `Check`."""
        chosen = tuple((check, test) for check, test in tests.items() if check in names)
        every = (Check.REQUEST, *(check for check, _ in chosen))
        return cls(chosen, tuple(every[: count + 1] for count in range(len(every))))


TESTS: dict[Check, Test] = {
    Check.JOURNAL: ledger_whole,
    Check.FENCED: fenced,
    Check.TRADING_STATE: trading_state,
    Check.CIRCUIT_BREAKER: circuit_breaker,
    Check.RESTRICTED_SYMBOL: restricted_symbol,
    Check.LEDGER: ledger_agrees,
    Check.DUPLICATE: duplicate,
    Check.ORDER_QUANTITY: order_quantity,
    Check.QUOTE_AGE: quote_age,
    Check.PRICE_COLLAR: price_collar,
    Check.ORDER_NOTIONAL: order_notional,
    Check.POSITION_QUANTITY: position_quantity,
    Check.POSITION_NOTIONAL: position_notional,
    Check.GROSS_NOTIONAL: gross_notional,
    Check.OPEN_ORDERS: open_orders,
    Check.ORDER_RATE: order_rate,
    Check.DAILY_LOSS: daily_loss,
    Check.RESERVATION: reservation,
}
_STANDING = frozenset({Check.TRADING_STATE, Check.CIRCUIT_BREAKER, Check.RESTRICTED_SYMBOL, Check.LEDGER})
_LATE = frozenset(
    {
        Check.JOURNAL,
        Check.FENCED,
        Check.QUOTE_AGE,
        Check.PRICE_COLLAR,
        Check.POSITION_QUANTITY,
        Check.DAILY_LOSS,
        Check.RESERVATION,
    }
)
"""What may be otherwise by the time of the order: the position, where reports came that had been lost before."""
SIGNAL_PLAN = Plan.of(TESTS, frozenset(TESTS) - {Check.JOURNAL, Check.FENCED, Check.RESERVATION})
REPEAT_PLAN = Plan.of(TESTS, _STANDING)
"""For a signal that asks again because it missed its answer: it has its reservation already."""
ORDER_PLAN = Plan.of(TESTS, _STANDING | _LATE)
