"""What is told of a plan is what became of it."""

from typing import Any, cast

from tests.operator.wanted import decide, made, system
from tradingmesh_operator.actions import Apply, Notice, Plan, Scale
from tradingmesh_operator.api import Api
from tradingmesh_operator.apply import Outcome, Writer
from tradingmesh_operator.errors import ApiError
from tradingmesh_operator.metrics import Metrics
from tradingmesh_operator.observed import Observed


class FakeApi:
    """Takes what it is given, or refuses it."""

    def __init__(self, refuses: ApiError | None = None) -> None:
        self._refuses = refuses
        self.events: list[dict[str, Any]] = []

    async def apply(self, _: Any, manifest: dict[str, Any], **__: Any) -> dict[str, Any]:
        """Takes an object, with a version."""
        if self._refuses:
            raise self._refuses
        return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": "7"}}

    async def merge(self, *_: Any) -> None:
        """Takes a patch."""
        if self._refuses:
            raise self._refuses

    async def create(self, _: Any, manifest: dict[str, Any]) -> None:
        """Takes an Event."""
        self.events.append(manifest)


def _writer(api: FakeApi) -> Writer:
    return Writer(cast("Api", api), Metrics(), lambda: True)


def _reasons(outcome: Outcome) -> list[str]:
    return [notice.reason for notice in outcome.notices]


async def test_a_limit_that_was_refused_is_not_told_as_changed() -> None:
    """Neither is a number of processors that somebody else has changed meanwhile."""
    limited = decide(system({"trading": "Halted"}), Observed(children=made(system())))
    assert [action.manifest["kind"] for action in limited.actions if isinstance(action, Apply)] == ["ConfigMap"]
    plan = Plan((*limited.actions, Scale(4, (Notice("Autoscaled", "2 -> 4"),))))
    outcome = await _writer(FakeApi()).carry_out(system(), plan)
    assert _reasons(outcome) == ["TradingChanged", "Autoscaled"]
    for status in (403, 409):
        outcome = await _writer(FakeApi(ApiError(status, "", "no"))).carry_out(system(), plan)
        assert _reasons(outcome) == []


async def test_what_has_just_gone_is_no_problem() -> None:
    """A system deleted before it was held, for one; that a kind is not there is another matter."""
    plan = Plan((Scale(4),))
    gone = ApiError(404, "NotFound", 'tradingsystems.tradingmesh.io "demo" not found')
    assert (await _writer(FakeApi(gone)).carry_out(system(), plan)).problems == ()
    missing = (("", "404 page not found"), ("NotFound", "the server could not find the requested resource"))
    for code, message in missing:
        outcome = await _writer(FakeApi(ApiError(404, code, message))).carry_out(system(), plan)
        assert outcome.problems == (("ApiMissing", message),)
