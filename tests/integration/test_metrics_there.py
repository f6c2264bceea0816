"""Each service has the metrics that the catalogue gives it as soon as it runs, so that no first trouble is missed."""

from pathlib import Path

import pytest

from tests.integration.built_service import MESH, built, context_in
from tradingmesh.contract import Component
from tradingmesh.telemetry.catalogue import FAMILIES

WHEN_IT_HAPPENS = {"stream_errors", "order_notices", "system_events", "position_quantity"}
"""Their labels are not known before: an error's code, a kind of oddity, who told what, what is held."""


def made_by(component: Component, folder: Path) -> set[str]:
    """The metrics of a service that was built, and has done nothing yet."""
    context = context_in(folder, component)
    try:
        service = built(context)
        context.tend_links()
        names = {metric.name.removeprefix("tradingmesh_") for metric in context.metrics.collect()}
        service.drain()
    finally:
        context.sockets.close()
    return names


@pytest.mark.parametrize("component", MESH)
def test_what_the_catalogue_gives_a_service_is_there(component: Component, folder: Path) -> None:
    """All of it, and `Metrics` lets it have no more."""
    given = {family.name for family in FAMILIES.values() if component in family.components}
    made = made_by(component, folder)
    assert given - made <= WHEN_IT_HAPPENS
    assert made <= given
