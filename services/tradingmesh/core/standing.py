"""How things stand at the broker, where no fill and no end of an order tells it: the other bodies of a `Report`.

They travel as fills do: through the outbox, in sequence, applied once. So the risk manager hears each at the right
moment of its symbol's line, with every fill before it booked and none after.
"""

from decimal import Decimal

import msgspec

from tradingmesh.core.signal import Side


class OrderWorking(msgspec.Struct, frozen=True, tag="working"):
    """An order works at the broker that was not approved as it is: placed elsewhere, or changed there.

    `open_quantity` may still fill at `price` or better; a price of None is whatever the market's is then. It is 0 where
    the broker has restated the order to what had filled. An order by notional has `open_notional` dollars to trade, and
    no quantity. It counts against the limits from now on.
    """

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    open_quantity: Decimal | None
    price: Decimal | None
    open_notional: Decimal | None = None


class OpeningPosition(msgspec.Struct, frozen=True, tag="opening"):
    """What the account held of a symbol when this outbox began, at what a share was worth then (quantity signed).

    Profit and loss count from there.
    """

    symbol: str
    quantity: Decimal
    price: Decimal
    timestamp_ns: int

    @property
    def client_order_id(self) -> str:
        """None: it is of no order."""
        return ""


class BrokerPosition(msgspec.Struct, frozen=True, tag="position"):
    """What the broker has of a symbol, as a reconciliation found it to be what the engine reported (quantity signed).

    It stands in the symbol's line behind every fill that is in it: what the ledger has by then must be the same.
    """

    symbol: str
    quantity: Decimal
    timestamp_ns: int

    @property
    def client_order_id(self) -> str:
        """None: it is of no order."""
        return ""


class EngineStarted(msgspec.Struct, frozen=True, tag="engine-started"):
    """A life of an execution engine began, and found these reservations in its outbox, used by an order or a report.

    Whatever an earlier life of the same outbox had confirmed besides was never submitted. On a line of its own.
    """

    writer_epoch: int
    reservation_ids: tuple[str, ...]

    @property
    def symbol(self) -> str:
        """None: the line of an engine is no symbol's."""
        return ""

    @property
    def client_order_id(self) -> str:
        """None: it is of no order."""
        return ""
