"""What is uninstalled is gone, but for the record of what was traded and the definition."""

from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Made, Operator
from tests.e2e.cluster.kube import Kube

OF_THE_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
"""What every namespace has."""


def _left(kube: Kube, namespace: str) -> set[str]:
    """Everything of any kind in a namespace, but for what told of it."""
    kinds = kube.text("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
    kept = [kind for kind in kinds if not kind.startswith("events") and "metrics.k8s.io" not in kind]
    found = kube.text("--namespace", namespace, "get", ",".join(kept), "-o", "name", "--ignore-not-found")
    return set(found.split()) - OF_THE_NAMESPACE


def _claims(namespace: str, kube: Kube) -> set[str]:
    return set(kube.text("--namespace", namespace, "get", "persistentvolumeclaims", "-o", "name").split())


def test_a_deleted_system_leaves_its_claims(made: Made, kube: Kube) -> None:
    """`kubectl delete tsys`: no pod, Service or Secret stays; the journals do. What has no owner would stay."""
    system = made()
    system.apply()
    system.wait_for("Ready", 240)
    claims = _claims(system.namespace, kube)
    assert len(claims) == 3
    system.kubectl("delete", f"tsys/{system.name}", "--timeout=120s")
    until(lambda: _left(kube, system.namespace) == claims, "nothing but claims", 120)


def test_an_uninstalled_operator_leaves_the_definition(operator: Operator, kube: Kube) -> None:
    """`helm uninstall`: no role, no binding, no Deployment, no Lease."""
    operator.uninstall()
    try:
        until(lambda: not _left(kube, operator.namespace), "an empty namespace", 60)
        of_the_cluster = ("clusterroles,clusterrolebindings", "-l", "app.kubernetes.io/part-of=tradingmesh")
        assert kube.text("get", *of_the_cluster, "-o", "name") == ""
        assert kube.text("get", "crd", "tradingsystems.tradingmesh.io", "-o", "name")
    finally:
        operator.install()
