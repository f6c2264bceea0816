"""Bad input and bad days: each is a condition and an Event that say what to do, and other systems go on."""

import shutil
import signal
from pathlib import Path

import pytest

from tests.charts.rendering import completed
from tests.cluster.api_server import ApiServer
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.given import PAPER
from tests.operator.place import Place

pytestmark = pytest.mark.timeout(180)

KEYS = ("--from-literal=APCA_API_KEY_ID={}", "--from-literal=APCA_API_SECRET_KEY=s")


def _until_refused(place: Place, reason: str, name: str = "demo") -> str:
    """The message of the condition; the Event of the same reason is there, too."""
    until(lambda: place.condition("Reconciled", name)[:2] == ("False", reason), reason, 60)
    until(lambda: reason in place.events(), f"the Event {reason}")
    return place.condition("Reconciled", name)[2]


def test_an_exceeded_quota_is_told_and_outlived(place: Place) -> None:
    """What the quota lets through is made, and the rest when it is raised."""
    place.kubectl("create", "quota", "small", "--hard=services=3")
    until(lambda: place.get("quota", "small").get("status", {}).get("hard"), "a quota in force", 60)
    place.apply()
    message = _until_refused(place, "QuotaExceeded")
    assert "exceeded quota: small" in message
    assert "raise the namespace's ResourceQuota" in message
    assert place.get("deployment", "demo-signal-generator")
    place.kubectl("patch", "quota", "small", "-p", '{"spec": {"hard": {"services": "20"}}}')
    place.until_reconciled()


def test_a_refused_admission_is_told_in_the_policy_s_words(place: Place) -> None:
    """The rest is made all the same."""
    name = f"no-demo-{place.namespace}"
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "matchConstraints": {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
                "resourceRules": [
                    {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"]}
                ],
            },
            "validations": [{"expression": "false", "message": "no Deployments on Sundays"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name},
        "spec": {"policyName": name, "validationActions": ["Deny"]},
    }
    place.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": [policy, binding]})
    refused = ("create", "deployment", "x", "--image=x", "--dry-run=server")
    until(lambda: "Sundays" in place.kubectl(*refused, check=False), "a policy in force", 60)
    place.apply()
    assert "no Deployments on Sundays" in _until_refused(place, "AdmissionRefused")
    assert place.get("statefulset", "demo-risk-manager")
    place.server.kubectl("delete", "validatingadmissionpolicybinding", name)
    place.until_reconciled()


def test_what_the_chart_refuses_changes_nothing(place: Place, operator: OperatorProcess, tmp_path: Path) -> None:
    """The sentence is the chart's own, the children stay, and a neighbour is reconciled meanwhile."""
    place.apply()
    place.until_reconciled()
    before = place.children()
    broken = shutil.copytree(completed(), tmp_path / "charts") / "trading-system" / "templates" / "broken.yaml"
    broken.write_text('{{ if eq .Values.global.system.name "demo" }}{{ fail "spec.mode: broken on purpose" }}{{ end }}')
    operator.end()
    other = OperatorProcess(place.server, tmp_path / "charts", tmp_path / "log")
    other.start()
    try:
        assert "spec.mode: broken on purpose" in _until_refused(place, "RenderFailed")
        place.apply(name="other")
        place.until_reconciled("other")
        assert place.children() == before
    finally:
        other.end()
        operator.start()
    place.until_reconciled()


def test_an_object_that_the_server_refuses_is_named(place: Place) -> None:
    """The rest is made; the message has the server's words."""
    place.apply({**PAPER, "broker.tradingUrl": "http://example.com:99999"})
    assert "99999" in _until_refused(place, "FieldRefused")
    assert place.get("deployment", "demo-signal-generator")


def test_a_missing_secret_is_named(place: Place) -> None:
    """Everything else is made, and the pods begin as soon as it is there."""
    place.apply(PAPER)
    place.until_reconciled()
    assert place.condition("Ready")[1] == "SecretMissing"
    assert "Secret keys is missing" in place.condition("Degraded")[2]
    place.kubectl("create", "secret", "generic", "keys", KEYS[0].format(place.namespace), KEYS[1])
    until(lambda: place.condition("Degraded")[0] == "False", "nothing missing", 60)


def test_one_account_is_traded_by_one_system(place: Place) -> None:
    """The younger waits, whatever its Secret is called, and takes over when the older goes."""
    for secret in ("keys", "again"):
        place.kubectl("create", "secret", "generic", secret, KEYS[0].format(place.namespace), KEYS[1])
    place.apply(PAPER)
    place.until_reconciled()
    place.apply({**PAPER, "broker.credentialsSecretRef.name": "again"}, name="younger")
    assert f"{place.namespace}/demo" in _until_refused(place, "AccountClaimed", "younger")
    assert not place.get("deployment", "younger-signal-generator")
    place.kubectl("delete", "tsys", "demo", "--timeout=60s")
    place.until_reconciled("younger")


def test_names_of_a_helm_release_are_left_to_it(place: Place) -> None:
    """Who installed the chart by hand keeps it."""
    labels = {"app.kubernetes.io/instance": "demo", "app.kubernetes.io/part-of": "tradingmesh"}
    release = {"meta.helm.sh/release-name": "mine"}
    metadata = {"name": "demo-risk-manager", "labels": labels, "annotations": release}
    theirs = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    place.kubectl("create", "-f", "-", stdin=theirs)
    place.apply()
    assert "Helm release mine" in _until_refused(place, "NameTaken")
    assert "ownerReferences" not in place.get("serviceaccount", "demo-risk-manager")["metadata"]


def test_of_two_operators_one_works(place: Place, operator: OperatorProcess) -> None:
    """The other waits for the Lease, and has it soon after the first was killed."""
    second = OperatorProcess(place.server, completed(), operator.log.with_name("second"), INSTANCE="second")
    second.start(ready=False)
    try:
        place.apply()
        place.until_reconciled()
        assert (second.metric("leading"), second.metric("writes_total")) == (0.0, 0.0)
        operator.end(signal.SIGKILL)
        until(lambda: second.metric("leading") == 1.0, "the other at work", 60)
        place.kubectl("delete", "service", "demo-risk-manager")
        until(lambda: place.get("service", "demo-risk-manager"), "the Service again", 60)
    finally:
        second.end()
        if not operator.running:
            operator.start()


def test_the_api_server_may_go_and_come_back(place: Place, operator: OperatorProcess, api_server: ApiServer) -> None:
    """What was changed while the operator heard nothing is put right; without its Lease it ends."""
    place.apply()
    place.until_reconciled()
    api_server.end("kube-apiserver", signal.SIGKILL)
    api_server.start()
    place.kubectl("delete", "service", "demo-risk-manager")
    if not operator.running:
        operator.start()
    until(lambda: _there(place, operator), "the Service again", 60)


def _there(place: Place, operator: OperatorProcess) -> bool:
    if not operator.running:
        operator.start()
    return bool(place.get("service", "demo-risk-manager"))
