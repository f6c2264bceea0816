"""What is told of a plan is what became of it."""

from datetime import timedelta
from typing import Any, cast

from tests.operator.wanted import NOW, decide, made, system
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


async def test_the_same_repair_is_told_once_a_minute() -> None:
    """With another controller that wants it otherwise there is one each second, and each Event is kept for an hour."""
    api = FakeApi()
    writer, repair = _writer(api), Notice("PutRight", "Service/x was changed at spec", warning=True)
    for after_s in (0, 1, 59, 60, 61):
        await writer.tell(system(), [repair], NOW + timedelta(seconds=after_s))
    assert len(api.events) == 2
    await writer.tell(system(), [repair._replace(message="another"), Notice("Ready", "a"), Notice("Ready", "a")], NOW)
    await writer.tell(system(uid="u-2"), [repair, Notice("Ready", "a")], NOW)
    assert len(api.events) == 6
