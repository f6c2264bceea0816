"""Any number that a message can carry is decided on: in a sentence of some length, and never by an exception."""

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.contract import CircuitBreakerSpec, RiskLimits
from tradingmesh.core.checks import Approved, Refused, RiskCheckRequest, RiskCheckResponse, Stage
from tradingmesh.core.errors import InputError
from tradingmesh.core.fills import BookedReport, Fill, OrderClosed, Report, ReportSetAside
from tradingmesh.core.market import Quote
from tradingmesh.core.money import parse
from tradingmesh.core.orders.booking import booked
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.records import encode
from tradingmesh.core.signal import OrderType, Side, Signal
from tradingmesh.wire.messages import RISK_CHECK_RESPONSE

NOW_NS = 1_700_000_000_000_000_000
LIMITS = RiskLimits.model_validate(
    {
        "maxOrderQuantity": 1000,
        "maxOrderNotional": 10**6,
        "maxPositionQuantity": 1000,
        "maxPositionNotional": 10**6,
        "maxGrossNotional": 10**6,
        "maxDailyLoss": 10**6,
        "maxOpenOrders": 10,
        "maxOrdersPerMinute": 10,
        "priceCollarPercent": 3,
        "maxQuoteAge": "5s",
    }
)
STRANGE = [
    "NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "1E+999999999", "1E-999999999", "-1E-999999999", "0E+999999",
    "0E-999999999", "-0", "1E-10", "0." + "9" * 5000, "1." + "0" * 5000, "9" * 5000, "9" * 900_000,
]  # fmt: skip
numbers = st.one_of(st.sampled_from(STRANGE).map(Decimal), st.decimals(), st.decimals(0, 1000, places=9))
fields = st.dictionaries(st.sampled_from(["quantity", "reference_price", "limit_price", "stop_price"]), numbers)


def risk_core() -> RiskCore:
    core = RiskCore(LIMITS, CircuitBreakerSpec(), Decimal(10**6))
    core.on_quote(Quote("IBM", 1_000_000, 1_000_100, 1, 1, NOW_NS), NOW_NS)
    return core


def signal(order_type: OrderType, **figures: Decimal) -> Signal:
    plain = Signal(
        "s", "s", "IBM", Side.BUY, Decimal(1), Decimal(100), NOW_NS, NOW_NS + 10**9, order_type,
        limit_price=Decimal(100), stop_price=Decimal(100),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **figures)


@given(st.sampled_from(OrderType), fields, st.none() | numbers)
def test_a_risk_check_decides(order_type: OrderType, figures: dict[str, Decimal], price: Decimal | None) -> None:
    """Approved with figures that fit, or refused in a sentence; answer and record can be sent and kept."""
    core, wish = risk_core(), signal(order_type, **figures)
    decision = core.check(RiskCheckRequest("r", Stage.SIGNAL, wish, price or Decimal(100), NOW_NS), NOW_NS)
    answer = RISK_CHECK_RESPONSE.encode(RiskCheckResponse("r", decision, 1, NOW_NS))
    assert len(answer) < 1_000
    if isinstance(decision, Approved):
        assert 0 < wish.quantity <= 1000
        assert [encode(record) for record in core.take_records()]


@pytest.mark.parametrize("text", [one for one in STRANGE if not one.startswith("1.0")])
@pytest.mark.parametrize("field", ["quantity", "limit_price"])
def test_a_strange_number_is_refused(text: str, field: str) -> None:
    """None of them is taken for a quantity or a price."""
    request = RiskCheckRequest("r", Stage.SIGNAL, signal(OrderType.LIMIT, **{field: Decimal(text)}), Decimal(1), NOW_NS)
    decision = risk_core().check(request, NOW_NS)
    assert isinstance(decision, Refused)
    assert field in decision.reason


@given(numbers, numbers, numbers, numbers, numbers)
def test_a_fill_is_booked_or_set_aside(
    quantity: Decimal, price: Decimal, cumulative: Decimal, commission: Decimal, cash: Decimal
) -> None:
    """By the fill processor and by the risk manager alike; cash moves only by what is booked."""
    fill = Fill("f", "o", "c", "IBM", Side.BUY, quantity, price, cumulative, NOW_NS, price)
    report = Report(1, 1, "r", fill)
    with suppress(InputError):
        assert booked(report, Decimal("0.01")).cash_impact < 0
    core = risk_core()
    [answer] = core.apply(BookedReport(report, commission, cash), NOW_NS)
    assert [encode(record) for record in core.take_records()]
    if isinstance(answer, ReportSetAside):
        assert core.state.ledger.cash == 10**6


@given(numbers, numbers, numbers)
def test_the_end_of_an_order_moves_nothing(filled: Decimal, commission: Decimal, cash: Decimal) -> None:
    """Whatever figures came with it."""
    core = risk_core()
    end = Report(1, 1, "r", OrderClosed("o", "c", "IBM", "filled", filled, NOW_NS))
    core.apply(BookedReport(end, commission, cash), NOW_NS)
    assert core.state.ledger.cash == 10**6


@given(numbers, st.integers(0, 12))
def test_what_is_parsed_has_no_more_decimals_than_it_may(number: Decimal, decimals: int) -> None:
    """What passes is a whole number of its smallest unit, below 10^30."""
    with suppress(InputError):
        value = parse(number, field="f", decimals=decimals)
        assert value == number
        assert abs(value) < 10**30
        assert not value or (Fraction(value) * 10**decimals).denominator == 1
