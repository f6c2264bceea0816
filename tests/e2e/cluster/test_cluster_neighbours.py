"""Two systems of one name in two namespaces: neither sees the other."""

import pytest

from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Made
from tests.e2e.cluster.trading import Trading

SYMBOLS = (["BAC", "IBM"], ["KO"])


@pytest.fixture(scope="module")
def neighbours(made: Made) -> list[Trading]:
    """Both named demo; they trade different symbols, so that whatever strays is seen."""
    systems = [made() for _ in SYMBOLS]
    for trading, symbols in zip(systems, SYMBOLS, strict=True):
        trading.spec["symbols"] = symbols
        trading.spec["strategies"] = [{**trading.spec["strategies"][0], "symbols": symbols}]
        trading.spec["broker"]["simulator"]["ticksPerSecond"] = 60
        trading.spec["fillProcessors"] = {"replicas": 1}
        trading.apply()
    for trading in systems:
        trading.wait_for("Ready", 300)
    return systems


def test_each_trades_its_own_symbols_on_its_own_account(neighbours: list[Trading]) -> None:
    """Ticks, orders and fills stay in the namespace, though Services have the same names in both."""
    for trading, symbols in zip(neighbours, SYMBOLS, strict=True):
        until(lambda trading=trading: trading.fills() >= 3, "three fills", 240)  # type: ignore[misc]
        assert {fill["symbol"] for fill in trading.executions()} <= set(symbols)
        trading.settle()


def test_one_halts_and_the_other_goes_on(neighbours: list[Trading]) -> None:
    """The kill switch is of one system."""
    one, other = neighbours
    one.patch({"trading": "Halted"})
    one.wait_for("TradingHalted", 60)
    halted, before = one.broker()["orders"]["taken"], other.broker()["orders"]["taken"]
    until(lambda: other.broker()["orders"]["taken"] > before, "an order of the other", 240)
    assert one.broker()["orders"]["taken"] == halted
    assert other.conditions()["TradingHalted"]["status"] == "False"
