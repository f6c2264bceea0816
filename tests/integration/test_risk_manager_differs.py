"""The risk manager tells where the broker has another position than its ledger."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from tests.integration.risk_manager_mesh import Mesh
from tradingmesh.core.checks import Check, Refused
from tradingmesh.core.events import ComponentError
from tradingmesh.core.signal import Side
from tradingmesh.core.standing import BrokerPosition
from tradingmesh.runtime.component import Context


def test_a_difference_is_told_once_and_again_when_it_is_over(
    make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path
) -> None:
    """An event, a gauge, a sentence in the status; what would increase the position is refused meanwhile."""
    mesh = Mesh(make_context, until, tmp_path)
    errors = mesh.context.events.bus.subscribe(ComponentError)

    def broker_has(quantity: int, count: int) -> None:
        for _ in range(count):
            mesh.hand_in(0, mesh.desk.report(BrokerPosition("IBM", Decimal(quantity), 0)))
        mesh.answers(0, count)

    def gauge() -> float:
        return float(mesh.context.metrics.snapshot()["gauges"]["ledger_differing"][""])

    broker_has(10, 3)
    mesh.run_until(lambda: gauge() == 1)
    told = [event.error for event in errors.drain() if isinstance(event, ComponentError)]
    assert told == ["the broker has 10 more IBM than the ledger"]
    refused = mesh.check(mesh.signal("s1"))
    assert isinstance(refused, Refused)
    assert refused.check is Check.LEDGER
    broker_has(0, 1)
    mesh.run_until(lambda: gauge() == 0)
    mesh.run_until(lambda: mesh.service.status()["differing"] == ())
    assert not list(errors.drain())


def test_a_position_that_nobody_quotes_is_told(
    make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path
) -> None:
    """It is none of the manifest's symbols: bought by hand, or there before us."""
    mesh = Mesh(make_context, until, tmp_path)
    errors = mesh.context.events.bus.subscribe(ComponentError)
    mesh.hand_in(0, mesh.desk.filled(mesh.desk.signal("hand", Side.BUY, "5", "TSLA"), "5", "200", ours=False))
    mesh.answers(0, 1)
    mesh.run_until(lambda: mesh.context.metrics.snapshot()["gauges"]["ledger_unquoted"][""] == 1)
    told = [event.error for event in errors.drain() if isinstance(event, ComponentError)]
    assert told == ["TSLA is held, and nobody quotes it: name it in spec.symbols, or close it"]
    assert mesh.context.metrics.snapshot()["gauges"]["ledger_differing"][""] == 0
