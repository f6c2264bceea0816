"""What the broker refuses, in Alpaca's own status, code and words.

The codes are those that Alpaca's API was seen to answer with (its documentation lists none); the first three digits
of a code repeat the HTTP status or name the family that the status belongs to.
"""

from decimal import Decimal
from typing import Any

from tradingmesh.core.errors import BrokerError
from tradingmesh.core.money import plain


class RefusalError(BrokerError):
    """A request that is not done. `body()` is what the client gets; nothing has changed."""

    def __init__(self, status: int, code: int, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message.encode(errors="replace").decode()  # it may quote a client's text, which is any text
        self.details = details

    def body(self) -> dict[str, Any]:
        """Alpaca's JSON error body."""
        return {"code": self.code, "message": self.message, **self.details}


def malformed() -> RefusalError:
    """The body is not JSON of the right shape."""
    return RefusalError(400, 40010000, "request body format is invalid")


def invalid(message: str) -> RefusalError:
    """A parameter is missing or has a value that does not exist."""
    return RefusalError(422, 40010001, message)


def unprocessable(message: str) -> RefusalError:
    """The parameters are understood and do not go together, or not with the state of the order."""
    return RefusalError(422, 42210000, message)


def forbidden(message: str, **details: Any) -> RefusalError:
    """The account does not allow it."""
    return RefusalError(403, 40310000, message, **details)


def not_found(message: str) -> RefusalError:
    """There is no such thing."""
    return RefusalError(404, 40410000, message)


def unauthorized() -> RefusalError:
    """The keys are missing or wrong."""
    return RefusalError(401, 40110000, "request is not authorized")


def too_many_requests() -> RefusalError:
    """The rate limit is used up, or said to be."""
    return RefusalError(429, 42910000, "too many requests.")


def unavailable() -> RefusalError:
    """Nobody is let in now."""
    return RefusalError(503, 50310000, "service unavailable")


def insufficient_buying_power(buying_power: Decimal, cost_basis: Decimal) -> RefusalError:
    """The order costs more than the account may spend."""
    details = {"buying_power": plain(buying_power), "cost_basis": plain(cost_basis)}
    return forbidden("insufficient buying power", **details)


def insufficient_quantity(symbol: str, requested: Decimal, existing: Decimal, held: Decimal) -> RefusalError:
    """The position does not hold what the order would close; one order never turns a long position into a short one."""
    available = plain(existing - held)
    return forbidden(
        f"insufficient qty available for order (requested: {plain(requested)}, available: {available})",
        symbol=symbol,
        available=available,
        existing_qty=plain(existing),
        held_for_orders=plain(held),
    )


def wash_trade(existing_order_id: str, kind: str) -> RefusalError:
    """An open order on the other side could trade with this one (FINRA rule 5210)."""
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order_id,
        reject_reason=f"opposite side {kind} order exists",
    )


def sub_penny(field: str, price: Decimal) -> RefusalError:
    """Prices of a dollar and more come in cents, below in hundredths of a cent (SEC rule 612)."""
    return unprocessable(
        f"invalid {field} {plain(price)}. sub-penny increment does not fulfill minimum pricing criteria"
    )
