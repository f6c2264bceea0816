"""The API server of the tests is a real one: it admits, checks rights and collects what is owned."""

from pathlib import Path

from tests.cluster.api_server import ApiServer
from tests.cluster.waiting import until


def test_it_is_the_version_that_was_built(api_server: ApiServer) -> None:
    """Kubernetes 1.34, and no other cluster that the machine may know of."""
    assert "v1.34" in api_server.kubectl("version").stdout
    assert api_server.kubectl("config", "view").stdout.count("127.0.0.1") == 1


def test_a_service_account_may_do_only_what_it_was_given(api_server: ApiServer, namespace: str, tmp_path: Path) -> None:
    """RBAC holds, so that the rights of the operator's chart can be tried with a token of its service account."""
    api_server.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    token = api_server.kubectl("create", "token", "reader", "-n", namespace).stdout.strip()
    mine = tmp_path / "kubeconfig"
    mine.write_text(api_server.kubeconfig_of(token))
    get = ("get", "configmaps", "-n", namespace)
    assert "forbidden" in api_server.kubectl(*get, check=False, kubeconfig=mine).stderr.lower()
    api_server.kubectl("create", "role", "reads", "-n", namespace, "--verb=list", "--resource=configmaps")
    subject = f"--serviceaccount={namespace}:reader"
    api_server.kubectl("create", "rolebinding", "reads", "-n", namespace, "--role=reads", subject)
    until(lambda: api_server.kubectl(*get, check=False, kubeconfig=mine).returncode == 0, "the right to list")


def test_a_restricted_namespace_takes_no_privileged_pod(api_server: ApiServer, namespace: str) -> None:
    """Pod security admission is on: what the charts promise of their pods is judged by the server itself."""
    api_server.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    api_server.kubectl("create", "serviceaccount", "runs", "-n", namespace)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": namespace},
        "spec": {"serviceAccountName": "runs", "containers": [{"name": "c", "image": "none"}]},
    }
    told = api_server.kubectl("create", "--dry-run=server", "-f", "-", stdin=pod, check=False)
    assert "violates PodSecurity" in told.stderr


def test_what_is_owned_goes_with_its_owner(controllers: ApiServer, namespace: str) -> None:
    """Kubernetes' garbage collector runs where it is asked for."""
    controllers.kubectl("create", "configmap", "owner", "-n", namespace)
    uid = controllers.kubectl("get", "configmap", "owner", "-n", namespace, "-o", "jsonpath={.metadata.uid}").stdout
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    child = {"name": "child", "namespace": namespace, "ownerReferences": [owner]}
    owned = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": child}
    controllers.kubectl("create", "-f", "-", stdin=owned)
    controllers.kubectl("delete", "configmap", "owner", "-n", namespace)
    controllers.kubectl("wait", "--for=delete", "configmap/child", "-n", namespace, "--timeout=50s")
