"""A system that is deleted while its pods run: stopped in order, told, and never kept by parts that are gone."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.charts.rendering import completed
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.otlp_receiver import OtlpReceiver
from tests.operator.place import Place
from tests.operator.speaking_pod import SpeakingPod, manager_and_engine, says

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def receiver() -> Iterator[OtlpReceiver]:
    """Takes the traces of this module's operator."""
    with OtlpReceiver() as found:
        yield found


@pytest.fixture(scope="module")
def patient(
    operator: OperatorProcess, receiver: OtlpReceiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    """An operator that waits long for orders to be cancelled, in the place of the usual one."""
    log = tmp_path_factory.mktemp("patient") / "log"
    process = OperatorProcess(operator.server, completed(), log, DRAIN_TIMEOUT_S="150", OTLP_ENDPOINT=receiver.url)
    operator.end()
    process.start()
    yield process
    process.end()
    operator.start()


@pytest.fixture
def place(patient: OperatorProcess, namespace: str) -> Iterator[Place]:
    """A namespace under its eyes."""
    assert patient.running
    yield Place(patient.server, namespace)
    patient.server.kubectl("delete", "tradingsystems", "--all", "-n", namespace, "--wait=false")


def _manifest(place: Place) -> str:
    return str(place.get("configmap", "demo-system")["data"]["system.yaml"])


def test_it_is_halted_before_it_goes(place: Place) -> None:
    """It stays until the risk manager has halted and no order is open."""
    place.apply()
    place.until_reconciled()
    with manager_and_engine(place, New=1) as (manager, engine):
        place.kubectl("delete", "tsys", "demo", "--wait=false")
        until(lambda: "trading: Halted" in _manifest(place), "the halt", 60)
        manager.says = says(2, manifest_trading="Halted")
        until(lambda: place.system()["status"]["phase"] == "Deleting", "the phase", 60)
        engine.says = says(2, orders_open={"New": 0})
        until(lambda: not place.system(), "the system gone", 60)
    told = until(lambda: place.events("Normal").get("Drained"), "the Event")
    assert told == "trading is halted and no order is open"
    until(lambda: not place.children(), "nothing left", 60)


def test_positions_are_closed_first_where_that_is_asked_for(place: Place) -> None:
    """By a Job with the risk manager's image; the halt comes when nothing is held any more."""
    held = [{"symbol": "IBM", "quantity": "100"}]
    place.apply({"onDelete": "Flatten"})
    place.until_reconciled()
    with manager_and_engine(place, held) as (manager, _):
        place.kubectl("delete", "tsys", "demo", "--wait=false")
        job = until(lambda: place.get("job", "demo-flatten"), "the Job", 60)
        container = job["spec"]["template"]["spec"]["containers"][0]
        assert container["command"][:2] == ["tradingmesh", "flatten"]
        assert container["image"].endswith("/risk-manager:test")
        assert "Halted" not in _manifest(place)
        manager.says = says(1, positions=[])
        until(lambda: "trading: Halted" in _manifest(place), "the halt", 60)
        manager.says = says(2, positions=[], manifest_trading="Halted")
        until(lambda: not place.system(), "the system gone", 60)
    until(lambda: place.events("Normal").get("Drained"), "the Event")
    until(lambda: not place.children(), "nothing left", 60)


def test_parts_that_go_in_the_middle_keep_nothing(place: Place) -> None:
    """Who would halt is deleted by somebody: there is nobody to wait for, and that is told."""
    place.apply()
    place.until_reconciled()
    with SpeakingPod(place, "risk-manager", says(1)) as manager:
        until(manager.run, "the risk manager's pod", 60)
        place.kubectl("delete", "tsys", "demo", "--wait=false")
        until(lambda: "trading: Halted" in _manifest(place), "the halt", 60)
        assert place.system()
        place.kubectl("delete", "statefulset", "demo-risk-manager", "--wait=false")
        place.kubectl("delete", "pod", "--all", "--force", "--wait=false")
        until(lambda: not place.system(), "the system gone", 60)
    assert "no risk manager runs" in until(lambda: place.events("Warning").get("NotDrained", ""), "the Event")


def test_each_look_is_a_trace(place: Place, receiver: OtlpReceiver) -> None:
    """With its parts under it, the system's name, and what came of it."""
    place.apply({"onDelete": "Leave"})
    place.until_reconciled()

    def looks() -> list[Any]:
        return [span for span in receiver.spans if span.name == "reconcile" and place.namespace in str(span.attributes)]

    first = until(looks, "a trace", 60)[0]
    told = {one.key: one.value for one in first.attributes}
    assert told["tradingsystem"].string_value == "demo"
    assert told["actions"].int_value > 30
    parts = {span.name for span in receiver.spans if span.parent_span_id == first.span_id}
    assert parts == {"observe", "render", "decide", "apply", "status"}
