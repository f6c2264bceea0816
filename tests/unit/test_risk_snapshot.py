"""A snapshot is as good as every record before it: nothing is forgotten, and what is decided afterwards is the same."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, get_args

import msgspec
import pytest

from tradingmesh.contract import CircuitBreakerSpec, TradingState
from tradingmesh.core.checks import Approved, Writer
from tradingmesh.core.errors import InputError, JournalError
from tradingmesh.core.fills import Body
from tradingmesh.core.place import Place, PoisonReport
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.ledger import taken_over
from tradingmesh.core.risk.records import ReportBooked, RiskRecord, decode, encode
from tradingmesh.core.risk.reservations import Reservations
from tradingmesh.core.risk.snapshot import RiskSnapshot, decode_snapshot, encode_snapshot
from tradingmesh.core.signal import Side, Signal
from tradingmesh.core.standing import BrokerPosition, EngineStarted, OpeningPosition
from tradingmesh.testing.risk_desk import OUTBOX, RiskDesk, limits

SYMBOLS = ("IBM", "BAC", "C")
BREAKER = CircuitBreakerSpec.model_validate({"recoveryPeriod": "20s", "stableFor": "5s"})
LIMITS = limits(max_daily_loss=Decimal(300), max_open_orders=8, duplicate_window_ms=300, max_orders_per_minute=40)
HISTORIES = 40
STEPS = 120


class History:
    """Everything that can happen to a risk manager, in an order that chance decides."""

    def __init__(self, chance: random.Random) -> None:
        self.desk = RiskDesk(LIMITS, breaker=BREAKER)
        self.said: list[bytes] = []
        """Every decision and answer, as bytes."""
        self._chance = chance
        self._approved: list[Signal] = []
        self._working: list[tuple[Signal, str]] = []
        self._count = 0
        self._epoch = 1
        for symbol in SYMBOLS:
            self._quote(symbol)

    def go_on(self, steps: int) -> None:
        """So many things happen."""
        happens = [
            *[self._move, self._signal, self._confirm, self._fill] * 4,
            *[self._close, self._wait, self._adopt, self._close_positions] * 2,
            *[
                self._switch,
                self._flatten,
                self._engine_starts,
                self._opens,
                self._broker_has,
                self._poison,
                self._wrong_figures,
                self._reset,
            ],
        ]
        for _ in range(steps):
            self._chance.choice(happens)()

    def _say(self, said: Any) -> None:
        self.said.append(msgspec.msgpack.encode(said))

    def _quote(self, symbol: str) -> None:
        cents = self._chance.randrange(9_800, 10_200)
        self.desk.quote(symbol, str(Decimal(cents) / 100), str(Decimal(cents + 2) / 100))

    def _move(self) -> None:
        self._quote(self._chance.choice(SYMBOLS))

    def _signal(self) -> None:
        self._count += 1
        symbol, side = self._chance.choice(SYMBOLS), self._chance.choice(list(Side))
        self._quote(symbol)
        limit = self._chance.choice([None, "99.50"])
        signal = self.desk.signal(f"s{self._count}", side, str(self._chance.randrange(1, 90)), symbol, limit)
        decision = self.desk.ask(signal)
        self._say(decision)
        if isinstance(decision, Approved):
            self._approved.append(signal)

    def _confirm(self) -> None:
        if not self._approved:
            return
        signal = self._approved.pop(self._chance.randrange(len(self._approved)))
        self._quote(signal.symbol)
        if self._chance.random() < 0.2:
            self._epoch += 1
        writer = Writer(OUTBOX, self._epoch - self._chance.choice([0, 0, 1]))
        decision = self.desk.confirm(signal, writer=writer)
        self._say(decision)
        if isinstance(decision, Approved):
            self._working.append((signal, f"tm-{signal.signal_id}"))

    def _fill(self) -> None:
        if not self._working:
            return
        signal, _ = self._chance.choice(self._working)
        quantity = self._chance.randrange(1, int(signal.quantity) + 1)
        price = str(Decimal(self._chance.randrange(9_700, 10_300)) / 100)
        self._say(self.desk.apply(self.desk.filled(signal, str(quantity), price, "0.35")))

    def _close(self) -> None:
        if self._working:
            signal, _ = self._working.pop(self._chance.randrange(len(self._working)))
            self._say(self.desk.apply(self.desk.closed(signal)))

    def _wait(self) -> None:
        self.desk.wait(self._chance.choice([0.1, 1, 6, 11, 35, 90_000]))

    def _adopt(self) -> None:
        self._count += 1
        quantity, price = self._chance.choice([("30", "99.5"), ("30", None), (None, None)])
        more = {} if quantity else {"open_notional": Decimal(500)}
        side = self._chance.choice(list(Side))
        booked = self.desk.working(
            f"x{self._count}", side, quantity, price, symbol=self._chance.choice(SYMBOLS), **more
        )
        self._say(self.desk.apply(booked))

    def _switch(self) -> None:
        self.desk.core.set_switch(self._chance.choice([TradingState.ACTIVE, TradingState.ACTIVE, *TradingState]))

    def _flatten(self) -> None:
        try:
            self.desk.core.flatten(self._chance.choice(["", "IBM"]))
        except InputError as error:
            self._say(str(error))

    def _close_positions(self) -> None:
        for symbol in SYMBOLS:
            self._quote(symbol)
        given = self.desk.core.closing_orders(self.desk.now_ns, self.desk.monotonic_ns)
        self._say(given)
        for approved in given:
            signal = approved.signal
            self._say(self.desk.confirm(signal))
            self._say(self.desk.apply(self.desk.filled(signal, str(signal.quantity), "100", "0.01")))

    def _engine_starts(self) -> None:
        self._epoch += 1
        self._say(self.desk.apply(self.desk.report(EngineStarted(self._epoch, ()))))

    def _opens(self) -> None:
        opening = OpeningPosition(self._chance.choice(SYMBOLS), Decimal(40), Decimal("99.99"), self.desk.now_ns)
        impact = taken_over(opening.quantity, opening.price)
        self._say(self.desk.apply(msgspec.structs.replace(self.desk.report(opening), cash_impact=impact)))

    def _broker_has(self) -> None:
        symbol = self._chance.choice(SYMBOLS)
        held = self.desk.core.state.ledger.position(symbol).quantity + self._chance.choice([0, 1])
        self._say(self.desk.apply(self.desk.report(BrokerPosition(symbol, held, self.desk.now_ns))))

    def _poison(self) -> None:
        place = self.desk.report(EngineStarted(0, ())).report
        poison = PoisonReport(Place(OUTBOX, "", place.symbol_sequence), b"poison", "cannot be read")
        self._say(self.desk.core.apply(poison, self.desk.now_ns))

    def _wrong_figures(self) -> None:
        signal = self.desk.signal("adopted", Side.BUY, "1")
        booked = msgspec.structs.replace(self.desk.filled(signal, "1", "100"), cash_impact=Decimal(7))
        self._say(self.desk.apply(booked))

    def _reset(self) -> None:
        try:
            self.desk.core.reset_breaker(self.desk.now_ns)
        except InputError as error:
            self._say(str(error))


def _restored(records: list[RiskRecord], cut: int | None) -> RiskCore:
    """A new core: from all records, or from a snapshot after `cut` of them and the rest."""
    core = RiskDesk(LIMITS, breaker=BREAKER).core
    if cut is None:
        core.restore(records)
        return core
    first = _restored(records[:cut], None)
    core.restore(records[cut:], _as_kept(first))
    return core


def _as_kept(core: RiskCore) -> RiskSnapshot:
    return decode_snapshot(encode_snapshot(core.state.snapshot()))


def _facts(core: RiskCore) -> dict[str, Any]:
    """Every attribute of the state and of what it is made of, by its path: a new one is compared as well."""
    assert core.state.equity_e18 is not None  # adds up what is stale
    return dict(_walk("state", core.state))


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if path.endswith("._folds") or path == "state.limits":
        return  # functions, and what the manifest says
    if isinstance(value, Reservations):
        # Heaps: their order is not part of what they say, and neither are entries that will be passed over.
        open_ = {found.reservation_id for found in value if not found.confirmed_by}
        yield f"{path}._expiries", sorted(entry for entry in value._expiries if entry[1] in open_)
        yield f"{path}._signal_ends", sorted(value._signal_ends)
        yield f"{path}._open", list(value)
        yield f"{path}._signals", value._signals
        assert set(vars(value)) == {"_expiries", "_signal_ends", "_open", "_signals"}
    elif isinstance(value, dict):
        if path == "state.books":  # one where nothing is held, known or ordered is as good as none; no order matters
            value = {
                key: value[key]
                for key in sorted(value)
                if any(found for _, found in _walk("", value[key]) if found != key)
            }
        yield f"{path}.keys", list(value)
        for key, found in value.items():
            yield from _walk(f"{path}[{key}]", found)
    elif hasattr(value, "__slots__") and type(value).__module__.startswith("tradingmesh."):
        for name in type(value).__slots__:
            yield from _walk(f"{path}.{name}", getattr(value, name))
    elif hasattr(value, "__dict__") and not isinstance(value, msgspec.Struct) and not callable(value):
        for name, found in vars(value).items():
            yield from _walk(f"{path}.{name}", found)
    else:
        yield path, value


@pytest.fixture(scope="module")
def histories(request: pytest.FixtureRequest) -> list[History]:
    """Random histories, their records kept."""
    chance = random.Random(int(request.config.option.seed))  # noqa: S311 - a game of chance
    made = []
    for _ in range(HISTORIES):
        history = History(chance)
        history.go_on(STEPS)
        history.desk.keep_records()
        made.append(history)
    return made


def test_the_histories_have_every_kind_of_record(histories: list[History]) -> None:
    """A kind that never came up would prove nothing: whoever adds one lets it happen here."""
    seen = {type(record) for history in histories for record in history.desk.records}
    assert set(get_args(RiskRecord)) - seen == set()
    booked = [record for history in histories for record in history.desk.records if isinstance(record, ReportBooked)]
    assert set(get_args(Body)) - {type(record.booked.report.body) for record in booked} == set()


def test_a_snapshot_and_the_rest_are_all_records(histories: list[History], seed: int) -> None:
    """Wherever it was taken: every attribute is as after folding each record from the first on."""
    chance = random.Random(seed)  # noqa: S311 - a game of chance
    for history in histories:
        records = history.desk.records
        expected = _facts(_restored(records, None))
        for cut in (0, len(records), chance.randrange(len(records)), chance.randrange(len(records))):
            assert _facts(_restored(records, cut)) == expected


def test_a_snapshot_of_the_living_is_one_of_its_records(histories: list[History]) -> None:
    """What a core heard besides (prices, time, reports that wait) leaves nothing in it."""
    for history in histories:
        assert encode_snapshot(history.desk.core.state.snapshot()) == encode_snapshot(
            _restored(history.desk.records, None).state.snapshot()
        )


def test_afterwards_the_same_is_decided(histories: list[History], seed: int) -> None:
    """Two cores, one restored from all records and one from a snapshot: the same input gives the same bytes."""
    for number, history in enumerate(histories):
        records = history.desk.records
        said = []
        for cut in (None, len(records) // 2):
            later = History(random.Random(seed + number))  # noqa: S311 - a game of chance
            later.desk.core = _restored(records, cut)
            later.desk.now_ns, later.desk.monotonic_ns = history.desk.now_ns, history.desk.monotonic_ns
            later.desk._sequences = dict(history.desk._sequences)
            later._count = history._count
            for symbol in SYMBOLS:
                later._quote(symbol)
            later.go_on(60)
            said.append((later.said, [encode(record) for record in later.desk.core.take_records()]))
        assert said[0] == said[1]


def test_the_same_input_gives_the_same_bytes(seed: int) -> None:
    """Decisions and records alike."""
    said = []
    for _ in range(2):
        history = History(random.Random(seed))  # noqa: S311 - a game of chance
        history.go_on(STEPS)
        said.append((history.said, [encode(record) for record in history.desk.core.take_records()]))
    assert said[0] == said[1]


def test_a_snapshot_of_another_program_is_refused() -> None:
    """One that lacks a field is not taken for whole, nor one that has something nobody here knows of."""
    raw = encode_snapshot(RiskDesk().core.state.snapshot())
    fields = msgspec.msgpack.decode(raw)
    for name in RiskSnapshot.__struct_fields__:
        fewer = {key: value for key, value in fields.items() if key != name}
        with pytest.raises(JournalError, match=f"missing required field `{name}`"):
            decode_snapshot(msgspec.msgpack.encode(fewer))
    with pytest.raises(JournalError, match="unknown field `more`"):
        decode_snapshot(msgspec.msgpack.encode(fields | {"more": 1}))
    with pytest.raises(JournalError, match="not one of this risk manager's"):
        decode_snapshot(b"\xc1")


def test_a_record_is_not_taken_for_a_snapshot() -> None:
    """Nor the other way round."""
    raw = encode_snapshot(RiskDesk().core.state.snapshot())
    with pytest.raises(JournalError, match="not one of the risk manager's"):
        decode(raw)
