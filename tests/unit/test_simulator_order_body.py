"""The JSON that a client sends: read exactly, or refused as Alpaca refuses it."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.alpaca_simulator.order_body import Changes, read_changes, read_new_order
from tradingmesh.alpaca_simulator.orders import NewOrder
from tradingmesh.alpaca_simulator.refusals import RefusalError
from tradingmesh.core.signal import OrderType, Side, TimeInForce

GOOD = {"symbol": "IBM", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10"}


def body(**changes: Any) -> bytes:
    fields = {name: value for name, value in {**GOOD, **changes}.items() if value != "absent"}
    return json.dumps(fields).encode()


def refusal(raw: bytes) -> tuple[int, int, str]:
    with pytest.raises(RefusalError) as refused:
        read_new_order(raw)
    return refused.value.status, refused.value.code, refused.value.message


def test_an_order_is_read() -> None:
    """Every field that the simulator knows."""
    raw = body(type="stop_limit", limit_price="101.5", stop_price=100, time_in_force="gtc", client_order_id="mine")
    assert read_new_order(raw) == NewOrder(
        symbol="IBM",
        side=Side.BUY,
        type=OrderType.STOP_LIMIT,
        time_in_force=TimeInForce.GTC,
        quantity=Decimal(10),
        limit_price=Decimal("101.5"),
        stop_price=Decimal(100),
        client_order_id="mine",
    )


@pytest.mark.parametrize("quantity", ["0.123456789", 0.123456789])
def test_numbers_are_exact_as_text_and_as_json_numbers(quantity: object) -> None:
    """alpaca-py sends JSON numbers; none of them becomes a float on the way."""
    assert read_new_order(body(qty=quantity)).quantity == Decimal("0.123456789")


def test_what_alpaca_py_adds_does_no_harm() -> None:
    """Null, empty and unknown fields."""
    assert read_new_order(body(order_class="", client_order_id="", legs=None, nonsense=1)).client_order_id == ""


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"qty": "ten"}', b'{"symbol": 5}', b"\xff", body(qty=[])])
def test_what_is_not_the_right_json_is_malformed(raw: bytes) -> None:
    """400 with Alpaca's words."""
    assert refusal(raw) == (400, 40010000, "request body format is invalid")


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"symbol": "absent"}, 40010001, "symbol is required"),
        ({"side": "absent"}, 40010001, "side is required"),
        ({"type": "absent"}, 40010001, "type is required"),
        ({"time_in_force": "absent"}, 40010001, "time_in_force is required"),
        ({"side": "hold"}, 40010001, "invalid side 'hold'"),
        ({"type": "iceberg"}, 40010001, "invalid type 'iceberg'"),
        ({"qty": "absent"}, 40010001, "qty or notional is required"),
        ({"notional": "5"}, 40010001, "only one of qty or notional is accepted"),
        ({"qty": "0"}, 42210000, "qty must be > 0"),
        ({"qty": "-1"}, 42210000, "qty must be > 0"),
        ({"qty": "1000000001"}, 42210000, "qty must be <= 1000000000"),
        ({"qty": "0.0000000001"}, 40010001, "qty: 1E-10 has more than 9 decimals"),
        ({"qty": "NaN"}, 40010001, "qty: Decimal('NaN') is not a finite number"),
        ({"qty": "1e400"}, 40010001, "qty: 1E+400 is too large"),
        ({"type": "limit"}, 40010001, "limit orders require limit_price"),
        ({"limit_price": "5"}, 40010001, "market orders must not have limit_price"),
        ({"type": "stop"}, 40010001, "stop orders require stop_price"),
        ({"type": "limit", "limit_price": "5", "stop_price": "4"}, 40010001, "limit orders must not have stop_price"),
        (
            {"type": "limit", "limit_price": "41.085"},
            42210000,
            "invalid limit_price 41.085. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        (
            {"type": "limit", "limit_price": "0.12345"},
            42210000,
            "invalid limit_price 0.12345. sub-penny increment does not fulfill minimum pricing criteria",
        ),
        ({"qty": "0.5", "time_in_force": "gtc"}, 42210000, "fractional orders must be DAY orders"),
        (
            {"qty": "absent", "notional": "5", "type": "limit", "limit_price": "5"},
            42210000,
            "notional orders must be market orders",
        ),
        ({"extended_hours": True}, 42210000, "extended hours order must be DAY or GTC limit orders"),
        ({"time_in_force": "opg"}, 42210000, "time_in_force opg is not supported by the simulator"),
        ({"order_class": "bracket"}, 42210000, "order_class bracket is not supported by the simulator"),
        ({"take_profit": {"limit_price": "5"}}, 42210000, "order_class complex is not supported by the simulator"),
        ({"type": "trailing_stop"}, 42210000, "trailing_stop orders are not supported by the simulator"),
        ({"client_order_id": "x" * 129}, 40010001, "client_order_id must be no more than 128 characters"),
    ],
)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], code: int, message: str) -> None:
    """422, with a code and a sentence that name what is wrong."""
    assert refusal(body(**changes)) == (422, code, message)


def test_prices_below_a_dollar_have_four_decimals() -> None:
    """SEC rule 612."""
    assert read_new_order(body(type="limit", limit_price="0.1234")).limit_price == Decimal("0.1234")


def test_the_changes_of_a_replacement_are_read() -> None:
    """All are optional."""
    assert read_changes(b"{}") == Changes()
    raw = b'{"qty": 5, "limit_price": "9.5", "time_in_force": "gtc", "client_order_id": "next"}'
    assert read_changes(raw) == Changes(
        quantity=Decimal(5), limit_price=Decimal("9.5"), time_in_force=TimeInForce.GTC, client_order_id="next"
    )


@pytest.mark.parametrize("raw", [b'{"notional": "5"}', b'{"trail": "1"}', b'{"qty": "0"}', b"no"])
def test_other_changes_are_refused(raw: bytes) -> None:
    """What a simple order has not got."""
    with pytest.raises(RefusalError):
        read_changes(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("1e999999999"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.binary(max_size=50) | st.builds(lambda c: body(**c), st.dictionaries(st.sampled_from(sorted(GOOD)), JSON)))
def test_any_body_is_read_or_refused(raw: bytes) -> None:
    """Nothing else than a refusal comes out, whose body is JSON again."""
    refused: RefusalError | None = None
    try:
        read_new_order(raw)
    except RefusalError as error:
        refused = error
    assert refused is None or json.loads(json.dumps(refused.body()))["code"] == refused.code
