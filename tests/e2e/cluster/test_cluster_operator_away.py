"""The operator goes, and trading goes on; it comes back, and takes over what is there."""

import pytest

from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Figures, Operator, stopwatch
from tests.e2e.cluster.trading import Trading


@pytest.fixture(autouse=True)
def _back(operator: Operator) -> object:
    """Whatever happens here, the tests of other files find it installed."""
    yield
    operator.install()


def test_trading_goes_on_without_it(system: Trading, operator: Operator, figures: Figures) -> None:
    """`helm uninstall`: the definition stays, with all that is of it, and orders go on.

    If the definition went with the release, every TradingSystem and all its pods would.
    """
    before = system.pods()
    operator.uninstall()
    fills = system.fills()
    until(lambda: system.fills() >= fills + 3, "fills without an operator", 180)
    assert system.pods() == before
    with stopwatch() as seconds:
        operator.install()
        generation = system.generation()
        system.patch({"riskLimits": {"maxOpenOrders": 19}})
        until(lambda: (system.configz("risk-manager").get("generation") or 0) > generation, "the new limit", 60)
        figures.note("adopted_s", seconds())
    system.wait_for("Ready", 60)
    assert system.pods() == before
    system.settle()
