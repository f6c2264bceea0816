"""What the live page shows of an amount or a text is short, whatever came by wire."""

from decimal import Decimal

import pytest

from tradingmesh.core.page.rows import TEXT_MAX, UNKNOWN, amount, short


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("962728.4965"), "962728.4965"),
        (Decimal("1.500"), "1.5"),
        (Decimal("-0"), "0"),
        (Decimal("0E+999999"), "0"),
        (Decimal("1E+12"), "1000000000000"),
        (Decimal("1E+400"), UNKNOWN),
        (Decimal("1E-400"), UNKNOWN),
        (Decimal("9" * 90), UNKNOWN),
        (Decimal("NaN"), UNKNOWN),
        (Decimal("sNaN"), UNKNOWN),
        (Decimal("-Infinity"), UNKNOWN),
        (None, ""),
    ],
)
def test_an_amount_is_its_digits_or_a_question_mark(value: Decimal | None, text: str) -> None:
    """Exact where it is one; a huge exponent would be a text without end."""
    assert amount(value) == text


@pytest.mark.parametrize("length", [0, 1, TEXT_MAX, TEXT_MAX + 1, 100_000])
def test_a_text_is_a_line(length: int) -> None:
    """What fits is whole; of what does not, the beginning, and a sign that there is more."""
    found = short("x" * length)
    assert len(found) == min(length, TEXT_MAX)
    assert found.endswith("…") == (length > TEXT_MAX)
