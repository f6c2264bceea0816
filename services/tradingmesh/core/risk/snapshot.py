"""All that survives a restart, as one value: what folding every record gives, without folding them.

No field has a default. So a snapshot of a program that knew less is not taken for a whole one: it is refused, and the
records, which are the truth, are folded from the first one on.
"""

from decimal import Decimal

import msgspec

from tradingmesh.contract import TradingState
from tradingmesh.core.errors import JournalError
from tradingmesh.core.fills import Position
from tradingmesh.core.risk.breaker import BreakerMoved
from tradingmesh.core.risk.differences import Difference
from tradingmesh.core.risk.flatten import FlattenSnapshot
from tradingmesh.core.risk.rate import OrderKey
from tradingmesh.core.risk.records import DayStarted
from tradingmesh.core.risk.reports import ReportsSnapshot
from tradingmesh.core.risk.reservations import ReservationSnapshot


class RiskSnapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The durable part of `RiskState`. Lists are in the order of the state's own, oldest first.

    `approved_signals` are signals with the end of their validity, `recent` orders with their market time, `seeds_e9`
    what a share is worth until a price comes.
    """

    cash: Decimal
    positions: list[Position]
    reservations: list[ReservationSnapshot]
    approved_signals: list[tuple[int, str]]
    recent: list[tuple[int, OrderKey]]
    reports: ReportsSnapshot
    differences: dict[str, Difference]
    writer_epoch: int
    flatten: FlattenSnapshot
    day: DayStarted
    seeds_e9: dict[str, Decimal]
    switch: TradingState
    breaker: BreakerMoved


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(RiskSnapshot)


def encode_snapshot(snapshot: RiskSnapshot) -> bytes:
    """The snapshot as the journal keeps it."""
    return _encoder.encode(snapshot)


def decode_snapshot(raw: bytes) -> RiskSnapshot:
    """The snapshot again. Raises `JournalError` where the bytes are none, or one of another program."""
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise JournalError(f"a snapshot is not one of this risk manager's: {error}") from None
