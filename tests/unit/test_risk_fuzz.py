"""Whatever figures arrive, the risk core answers: it never raises, and what it books is exact."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.core.checks import Approved, RiskCheckRequest, Stage
from tradingmesh.core.fills import BookedReport, Fill, OrderClosed, Report
from tradingmesh.core.market import Quote
from tradingmesh.core.risk.ledger import cash_impact
from tradingmesh.core.risk.records import ReportBooked
from tradingmesh.core.risk.status import status_of
from tradingmesh.core.signal import OrderType, Side, Signal, TimeInForce
from tradingmesh.testing.risk_desk import START_NS, RiskDesk

WILD = st.one_of(
    st.decimals(),
    st.sampled_from([Decimal(text) for text in ("sNaN", "-sNaN", "1E+999999", "1E-999999", "-0", "1E+12", "1E-9")]),
    st.integers(1, 3_000).map(Decimal),
    st.decimals(90, 110, places=2),
)
TIMES = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(START_NS, START_NS + 60 * 10**9))
NAMES = st.one_of(st.text(max_size=20), st.sampled_from(["IBM", "s1", "r-s1", ""]))
SIGNALS = st.builds(
    Signal,
    signal_id=NAMES,
    strategy=NAMES,
    symbol=NAMES,
    side=st.sampled_from(Side),
    quantity=WILD,
    reference_price=WILD,
    generated_ns=TIMES,
    valid_until_ns=TIMES,
    order_type=st.sampled_from(OrderType),
    time_in_force=st.sampled_from(TimeInForce),
    limit_price=st.none() | WILD,
    stop_price=st.none() | WILD,
)
REQUESTS = st.builds(
    RiskCheckRequest,
    request_id=NAMES,
    stage=st.sampled_from(Stage),
    signal=SIGNALS,
    current_price=WILD,
    timestamp_ns=TIMES,
    reservation_id=NAMES,
)
SANE = st.decimals(Decimal("0.01"), Decimal(5_000), places=4)


def _fills(figures: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Fill]:
    return st.builds(
        Fill,
        fill_id=NAMES,
        order_id=NAMES,
        client_order_id=NAMES,
        symbol=st.sampled_from(["IBM", "", "s1"]),
        side=st.sampled_from(Side),
        quantity=figures,
        price=figures,
        cumulative_quantity=WILD,
        timestamp_ns=TIMES,
    )


def _reports(bodies: st.SearchStrategy[Fill | OrderClosed]) -> st.SearchStrategy[Report]:
    numbers = {"outbox_epoch": st.integers(0, 1), "symbol_sequence": st.integers(-1, 4)}
    return st.builds(Report, **numbers, reservation_id=NAMES, body=bodies)


def _honest(report: Report) -> BookedReport:
    body = report.body
    assert isinstance(body, Fill)
    return BookedReport(report, Decimal("0.35"), cash_impact(body.side, body.quantity, body.price, Decimal("0.35")))


ENDS = st.builds(OrderClosed, NAMES, NAMES, NAMES, NAMES, WILD, TIMES)
BOOKED = st.one_of(
    st.builds(BookedReport, _reports(st.one_of(_fills(WILD), ENDS)), WILD, WILD), _reports(_fills(SANE)).map(_honest)
)


def _desk() -> RiskDesk:
    desk = RiskDesk()
    desk.quote("IBM", "99.99", "100.01")
    return desk


@given(st.lists(REQUESTS, max_size=6))
def test_any_request_is_answered(requests: list[RiskCheckRequest]) -> None:
    """Approved or refused with a sentence; an approval is of a positive, finite quantity within its limit."""
    desk = _desk()
    for request in requests:
        decision = desk.core.check(request, desk.now_ns)
        if isinstance(decision, Approved):
            assert 0 < request.signal.quantity <= 1_000
        else:
            assert decision.reason.startswith(f"{decision.check}: ")
    assert status_of(desk.restarted().state).working_reservations == len(desk.core.state.reservations)


@given(st.lists(BOOKED, max_size=12))
def test_any_report_is_booked_exactly_or_set_aside(reports: list[BookedReport]) -> None:
    """Cash moves by exactly what the fills say, each execution once; a restart comes to the same books."""
    desk = _desk()
    for booked in reports:
        desk.core.apply(booked, desk.now_ns)
    taken = [record.booked for record in desk.keep_records() if isinstance(record, ReportBooked)]
    fills = {each.report.body.fill_id: each for each in reversed(taken) if isinstance(each.report.body, Fill)}
    ledger = desk.core.state.ledger
    assert Fraction(ledger.cash) == 1_000_000 + sum(Fraction(each.cash_impact) for each in fills.values())
    cost = sum((Fraction(position.cost) for position in ledger.positions()), Fraction(0))
    assert Fraction(ledger.cash) + cost - Fraction(ledger.realised) == 1_000_000
    assert list(desk.restarted().state.ledger.positions()) == list(ledger.positions())


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), TIMES), max_size=5))
def test_any_quote_is_taken(quotes: list[tuple[int, int, int]]) -> None:
    """However crossed, huge or old; afterwards a check is answered all the same."""
    desk = _desk()
    desk.buy("IBM", "10", "100")
    for bid_e4, ask_e4, at_ns in quotes:
        desk.core.on_quote(Quote("IBM", bid_e4, ask_e4, 0, 0, at_ns), desk.now_ns)
        desk.ask(desk.signal(f"s{at_ns}", Side.BUY, "1"))
        status_of(desk.core.state)
