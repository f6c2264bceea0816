"""What a replacement of an order asks for: the old order with some of it changed."""

from msgspec.structs import asdict, replace

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.order_body import Changes, check_consistent, is_fractional
from tradingmesh.alpaca_simulator.orders import NewOrder, Order, Status
from tradingmesh.core.money import ZERO


def changed(old: Order, changes: Changes) -> NewOrder:
    """The order that the replacement asks for. Raises `RefusalError`."""
    if not old.is_open:
        raise refusals.unprocessable(f"cannot replace order in {old.status} status")
    if old.status in (Status.ACCEPTED, Status.PENDING_NEW):
        raise refusals.unprocessable("unable to replace order, order isn't sent to exchange yet")
    if old.quantity is None:
        raise refusals.unprocessable("notional orders cannot be replaced")
    if changes.quantity is not None and (is_fractional(changes.quantity) or is_fractional(old.quantity)):
        raise refusals.unprocessable("qty of fractional orders cannot be replaced")
    kept = NewOrder(
        symbol=old.symbol,
        side=old.side,
        type=old.type,
        time_in_force=old.time_in_force,
        quantity=old.leaves_at(ZERO),
        limit_price=old.limit_price,
        stop_price=old.stop_price,
        extended_hours=old.extended_hours,
    )
    wanted = {name: value for name, value in asdict(changes).items() if value is not None}
    order = replace(kept, **wanted)
    if replace(order, client_order_id="") == kept:
        raise refusals.forbidden("order parameters are not changed")
    check_consistent(order)
    return order
