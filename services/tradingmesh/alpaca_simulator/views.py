"""What leaves the exchange, in Alpaca's JSON: orders, trade updates, positions, the account, activities, assets.

Amounts are text, exact and without exponent. Source: the schemas of Alpaca's trading API document (`trading-api.json`).
"""

from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tradingmesh.alpaca_simulator.account import Holding, rounded_ratio
from tradingmesh.alpaca_simulator.admission import held_quantity
from tradingmesh.alpaca_simulator.exchange import Exchange
from tradingmesh.alpaca_simulator.orders import Execution, Order, TradeUpdate
from tradingmesh.alpaca_simulator.times import rfc3339
from tradingmesh.core.money import EXACT, ZERO, notional, of_e4, plain
from tradingmesh.core.signal import Side

EXCHANGE = "NYSE"
_REG_T_MULTIPLIER = Decimal(2)
_INITIAL_MARGIN = Decimal("0.5")
_MAINTENANCE_MARGIN = Decimal("0.3")


def asset_id(symbol: str) -> str:
    """Alpaca names an asset by a UUID; here it follows from the symbol."""
    return str(uuid5(NAMESPACE_URL, f"tradingmesh/asset/{symbol}"))


def order_view(order: Order) -> dict[str, Any]:
    """The order object."""
    average = rounded_ratio(order.filled_value, order.filled_quantity)
    return {
        "id": order.order_id,
        "client_order_id": order.client_order_id,
        "created_at": rfc3339(order.submitted_ns),
        "updated_at": rfc3339(order.updated_ns),
        "submitted_at": rfc3339(order.submitted_ns),
        "filled_at": _time(order.filled_ns),
        "expired_at": _time(order.expired_ns),
        "expires_at": rfc3339(order.expires_ns),
        "canceled_at": _time(order.canceled_ns),
        "failed_at": None,
        "replaced_at": _time(order.replaced_ns),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": _amount(order.notional),
        "qty": _amount(order.quantity),
        "filled_qty": plain(order.filled_quantity),
        "filled_avg_price": plain(average) if order.filled_quantity else None,
        "order_class": "simple",
        "order_type": order.type,
        "type": order.type,
        "side": order.side,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force,
        "limit_price": _amount(order.limit_price),
        "stop_price": _amount(order.stop_price),
        "status": order.status,
        "extended_hours": order.extended_hours,
        "legs": None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
    }


def update_view(update: TradeUpdate) -> dict[str, Any]:
    """One message of the trade_updates stream."""
    time = rfc3339(update.timestamp_ns)
    data = {
        "event": update.event,
        "execution_id": update.update_id,
        "order": order_view(update.order),
        "timestamp": time,
        "at": time,
    }
    if update.execution is not None:
        data["price"] = plain(update.execution.price)
        data["qty"] = plain(update.execution.quantity)
        data["position_qty"] = plain(update.position_quantity or ZERO)
    return {"stream": "trade_updates", "data": data}


def position_view(exchange: Exchange, symbol: str, holding: Holding) -> dict[str, Any]:
    """The position object. What was held before the tape began is nothing, so all profit is of today."""
    book = exchange.book(symbol)
    price = book.price()
    closing = Side.SELL if holding.quantity > 0 else Side.BUY
    held = held_quantity(exchange.orders.open(symbol), closing, book)
    first = of_e4(book.first_e4) or price
    value = notional(holding.quantity, price)
    profit = EXACT.subtract(value, holding.cost)
    profit_text, ratio_text = plain(profit), plain(rounded_ratio(profit, abs(holding.cost)))
    return {
        "asset_id": asset_id(symbol),
        "symbol": symbol,
        "exchange": EXCHANGE,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": plain(holding.quantity),
        "qty_available": plain(
            EXACT.add(EXACT.multiply(EXACT.subtract(abs(holding.quantity), held), -closing.sign), ZERO)
        ),
        "side": "long" if holding.quantity > 0 else "short",
        "avg_entry_price": plain(holding.average_price),
        "market_value": plain(value),
        "cost_basis": plain(holding.cost),
        "unrealized_pl": profit_text,
        "unrealized_plpc": ratio_text,
        "unrealized_intraday_pl": profit_text,
        "unrealized_intraday_plpc": ratio_text,
        "current_price": plain(price),
        "lastday_price": plain(first),
        "change_today": plain(rounded_ratio(EXACT.subtract(price, first), first)),
    }


def account_view(exchange: Exchange, opened_ns: int) -> dict[str, Any]:
    """The account object, without the fields that Alpaca removed with the pattern-day-trader rule in 2026."""
    account = exchange.account
    longs = account.market_value(exchange.price, Side.BUY)
    shorts = account.market_value(exchange.price, Side.SELL)
    gross = EXACT.subtract(longs, shorts)
    equity = plain(account.equity(exchange.price))
    available_cash = max(EXACT.subtract(account.cash, exchange.held_cost()), ZERO)
    return {
        "id": asset_id("account"),
        "account_number": "SIMULATED",
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": plain(account.cash),
        "buying_power": plain(exchange.buying_power(account.multiplier)),
        "regt_buying_power": plain(exchange.buying_power(_REG_T_MULTIPLIER)),
        "non_marginable_buying_power": plain(available_cash),
        "options_buying_power": "0",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "accrued_fees": "0",
        "pending_reg_taf_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "portfolio_value": equity,
        "equity": equity,
        "last_equity": plain(account.starting_cash),
        "long_market_value": plain(longs),
        "short_market_value": plain(shorts),
        "initial_margin": plain(EXACT.multiply(gross, _INITIAL_MARGIN)),
        "maintenance_margin": plain(EXACT.multiply(gross, _MAINTENANCE_MARGIN)),
        "last_maintenance_margin": "0",
        "multiplier": account.configuration.max_margin_multiplier,
        "sma": "0",
        "intraday_adjustments": "0",
        "balance_asof": rfc3339(opened_ns)[:10],
        "created_at": rfc3339(opened_ns),
        "shorting_enabled": not account.configuration.no_shorting,
        "trade_suspended_by_user": account.configuration.suspend_trade,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
    }


def activity_id(execution: Execution) -> str:
    """Alpaca's form: the time to the millisecond in digits, two colons, the execution's id."""
    digits = "".join(filter(str.isdigit, rfc3339(execution.fill.timestamp_ns).partition(".")[0]))
    return f"{digits}{execution.fill.timestamp_ns // 1_000_000 % 1_000:03d}::{execution.fill.fill_id}"


def activity_view(execution: Execution) -> dict[str, Any]:
    """A FILL of the account's activities. `created_at` is null, which is how Alpaca marks a trade activity."""
    fill = execution.fill
    return {
        "id": activity_id(execution),
        "activity_type": "FILL",
        "type": "partial_fill" if execution.leaves_quantity else "fill",
        "order_id": fill.order_id,
        "order_status": execution.order_status,
        "symbol": fill.symbol,
        "side": fill.side,
        "qty": plain(fill.quantity),
        "price": plain(fill.price),
        "cum_qty": plain(fill.cumulative_quantity),
        "leaves_qty": plain(execution.leaves_quantity),
        "transaction_time": rfc3339(fill.timestamp_ns),
        "created_at": None,
    }


def asset_view(symbol: str) -> dict[str, Any]:
    """The asset object: every symbol of the manifest is an active US equity."""
    return {
        "id": asset_id(symbol),
        "class": "us_equity",
        "exchange": EXCHANGE,
        "symbol": symbol,
        "name": f"{symbol} Common Stock",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "borrow_status": "easy_to_borrow",
        "fractionable": True,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "attributes": ["fractional_eh_enabled"],
    }


def _time(at_ns: int | None) -> str | None:
    return None if at_ns is None else rfc3339(at_ns)


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
