"""A quote is as old as the older of two times: since it was published, and since it was the market's."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.risk_manager_mesh import Mesh
from tradingmesh.core.checks import Approved, Check, Refused
from tradingmesh.core.market import Quote
from tradingmesh.core.signal import Side
from tradingmesh.runtime.component import Context

LATE_NS = 6_000_000_000
"""Older than maxQuoteAge of the mesh, 5 s."""
MODES = {"tape": {}, "wall": {"mode": "paper", "broker": {"kind": "alpaca"}}}


@pytest.fixture(params=list(MODES))
def mesh(
    request: pytest.FixtureRequest, make_context: Callable[..., Context], until: Callable[..., None], tmp_path: Path
) -> Mesh:
    made = Mesh(make_context, until, tmp_path, **MODES[request.param])
    assert made.service._core._tape == (request.param == "tape")
    return made


def quoted(mesh: Mesh, *, content_ns: int, published_ns: int) -> Approved | Refused:
    """A quote of BAC with these times, and what the risk manager says of an order then."""
    mesh.feed.publish_event(Quote("BAC", 100_000, 100_200, 1, 1, content_ns), published_ns)
    mesh.run_until(lambda: "BAC" in mesh.service._core.state.books)
    mesh.desk.now_ns = mesh.now_ns()
    return mesh.check(mesh.desk.signal("s", Side.BUY, "1", "BAC"))


def test_a_quote_that_comes_in_time_is_traded_on(mesh: Mesh) -> None:
    """Published now, with the market's time."""
    now_ns = mesh.now_ns()
    assert isinstance(quoted(mesh, content_ns=now_ns, published_ns=now_ns), Approved)


def test_a_fresh_quote_that_was_under_way_for_long_is_refused(mesh: Mesh) -> None:
    """What it says is of this moment, as far as it says; but it left the feed six seconds ago."""
    now_ns = mesh.now_ns()
    decision = quoted(mesh, content_ns=now_ns, published_ns=now_ns - LATE_NS)
    assert isinstance(decision, Refused)
    assert decision.check is Check.QUOTE_AGE


def test_an_old_quote_that_is_published_now_is_refused(mesh: Mesh) -> None:
    """The market has moved on since: by the wall's clock, or on a tape by the newest tick of any symbol."""
    now_ns = mesh.now_ns()
    mesh.quote("IBM", 101)
    decision = quoted(mesh, content_ns=now_ns - LATE_NS, published_ns=now_ns)
    assert isinstance(decision, Refused)
    assert decision.check is Check.QUOTE_AGE
