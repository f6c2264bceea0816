"""The operator with the rights that its own chart gives it, and no others."""

from pathlib import Path

import pytest

from tests.charts.rendering import OPERATOR, completed, of_kind, render
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.given import PAPER
from tests.operator.place import Place

pytestmark = pytest.mark.timeout(240)

_RIGHTS = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")


@pytest.mark.parametrize("one_namespace", [False, True], ids=["cluster", "namespace"])
def test_its_rights_are_enough(place: Place, operator: OperatorProcess, tmp_path: Path, *, one_namespace: bool) -> None:
    """From the first child to the last, Secrets, Lease, Events and autoscalers included; nothing is refused."""
    watched = [place.namespace] if one_namespace else []
    values = {"installCRD": False, "watchNamespaces": watched}
    rights = of_kind(render(OPERATOR, values, release="tradingmesh-operator", namespace=place.namespace), *_RIGHTS)
    place.server.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": rights})
    token = place.kubectl("create", "token", "tradingmesh-operator").strip()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(place.server.kubeconfig_of(token))
    told = {"NAMESPACE": place.namespace, "WATCH_NAMESPACES": str(watched).replace("'", '"')}
    limited = OperatorProcess(place.server, completed(), tmp_path / "log", kubeconfig=kubeconfig, **told)
    operator.end()
    limited.start()
    try:
        place.apply(PAPER)
        place.until_reconciled()
        place.kubectl("delete", "service", "demo-risk-manager")
        until(lambda: place.get("service", "demo-risk-manager"), "the Service again")
        place.kubectl("delete", "tsys", "demo", "--timeout=60s")
        until(lambda: place.events("Warning").get("NotDrained"), "the Event")
        assert limited.metric("errors_total") == 0, limited.log.read_text()
        assert "orbidden" not in limited.log.read_text()
    finally:
        limited.end()
        operator.start()
        place.server.kubectl(
            "delete", "-f", "-", "--ignore-not-found", stdin={"apiVersion": "v1", "kind": "List", "items": rights}
        )
