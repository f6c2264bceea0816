"""Bad input and bad days: each is a condition and an Event that say what to do, and other systems go on."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.charts.rendering import completed
from tests.cluster.operator_process import OperatorProcess
from tests.cluster.waiting import until
from tests.operator.given import PAPER
from tests.operator.place import Place

pytestmark = pytest.mark.timeout(180)

KEYS = ("--from-literal=APCA_API_KEY_ID={}", "--from-literal=APCA_API_SECRET_KEY=s")


def _until_refused(place: Place, reason: str, name: str = "demo") -> str:
    """The message of the condition; the Event says the same, as a warning."""
    until(lambda: place.condition("Reconciled", name)[:2] == ("False", reason), reason, 60)
    message = place.condition("Reconciled", name)[2]
    assert until(lambda: place.events("Warning").get(reason, ""), f"the Event {reason}")[:100] == message[:100]
    return message


def _until_degraded(place: Place, reason: str) -> str:
    """The message where everything could be made, and does not work; the Event says the same."""
    until(lambda: place.condition("Degraded")[:2] == ("True", reason), reason, 60)
    until(lambda: place.events("Warning").get(reason), f"the Event {reason}")
    return place.condition("Degraded")[2]


def _others_go_on(place: Place) -> None:
    """A system beside the one in trouble is made and reconciled meanwhile."""
    place.apply(name="other")
    place.until_reconciled("other")


def test_an_exceeded_quota_is_told_and_outlived(place: Place) -> None:
    """What the quota lets through is made, and the rest when it is raised."""
    place.kubectl("create", "quota", "small", "--hard=services=3")
    until(lambda: place.get("resourcequota", "small").get("status", {}).get("hard"), "a quota in force", 60)
    place.apply()
    message = _until_refused(place, "QuotaExceeded")
    assert "exceeded quota: small" in message
    assert "raise the namespace's ResourceQuota" in message
    assert place.get("deployment", "demo-signal-generator")
    place.kubectl("patch", "quota", "small", "-p", '{"spec": {"hard": {"services": "40"}}}')
    place.until_reconciled()
    _others_go_on(place)


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
    message = _until_refused(place, "AdmissionRefused")
    assert "no Deployments on Sundays" in message
    assert "mend what the admission policy names" in message
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
        message = _until_refused(place, "RenderFailed")
        assert "spec.mode: broken on purpose" in message
        assert "mend the field that the message names" in message
        _others_go_on(place)
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
    told = "Secret keys is missing: create it with APCA_API_KEY_ID and APCA_API_SECRET_KEY"
    assert told in _until_degraded(place, "SecretMissing")
    until(lambda: place.condition("Ready")[1] == "SecretMissing", "the same in Ready", 60)
    place.kubectl("create", "secret", "generic", "keys", KEYS[0].format(place.namespace))
    until(lambda: "has no APCA_API_SECRET_KEY: add it" in place.condition("Degraded")[2], "the key that is missing", 60)
    place.kubectl("delete", "secret", "keys")
    place.kubectl("create", "secret", "generic", "keys", KEYS[0].format(place.namespace), KEYS[1])
    until(lambda: place.condition("Degraded")[0] == "False", "nothing missing", 60)
    _others_go_on(place)


def test_one_account_is_traded_by_one_system(place: Place) -> None:
    """The younger waits, whatever its Secret is called, and takes over when the older goes."""
    for secret in ("keys", "again"):
        place.kubectl("create", "secret", "generic", secret, KEYS[0].format(place.namespace), KEYS[1])
    place.apply(PAPER)
    place.until_reconciled()
    place.apply({**PAPER, "broker.credentialsSecretRef.name": "again"}, name="younger")
    message = _until_refused(place, "AccountClaimed", "younger")
    assert f"{place.namespace}/demo" in message
    assert "name the Secret of another account, or delete one of the two" in message
    assert place.condition("Reconciled")[0] == "True"
    assert not place.get("deployment", "younger-signal-generator")
    place.kubectl("delete", "tsys", "demo", "--timeout=60s")
    place.until_reconciled("younger")


def test_an_operator_that_starts_anew_leaves_an_account_where_it_is(place: Place, operator: OperatorProcess) -> None:
    """An older system turned to it while no operator was there: it stays with its own until the account is free."""
    for secret in ("keys", "others"):
        place.kubectl("create", "secret", "generic", secret, KEYS[0].format(f"{place.namespace}-{secret}"), KEYS[1])
    place.apply({**PAPER, "broker.credentialsSecretRef.name": "others"}, name="elder")
    place.until_reconciled("elder")
    place.apply(PAPER)
    place.until_reconciled()
    operator.end()
    place.apply(PAPER, name="elder")
    operator.start()
    assert f"{place.namespace}/demo" in _until_refused(place, "AccountClaimed", "elder")
    template = json.dumps(place.get("statefulset", "elder-execution-engine")["spec"]["template"])
    assert '"others"' in template
    assert '"keys"' not in template
    assert place.condition("Reconciled")[0] == "True"


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


def test_an_unknown_strategy_is_told_in_the_program_s_own_words(place: Place) -> None:
    """The signal generator ends with a sentence; a kubelet keeps its last line, as it does here."""
    place.apply({"strategies.0.uses": "nonsense"})
    place.until_reconciled()
    place.until_ready()
    words = _last_words(place)
    assert words.returncode != 0
    pod = until(lambda: _pod_of(place, "signal-generator"), "its pod", 60)
    _crash(place, pod, words.stderr)
    message = _until_degraded(place, "ComponentsFail")
    assert "'nonsense' is neither module:Class nor one of: ema-crossover, mean-reversion" in message
    told = {one["name"]: one.get("message", "") for one in place.system()["status"]["components"]}
    assert "nonsense" in told["signal-generator"]
    _others_go_on(place)
    place.apply({"strategies.0.uses": "ema-crossover"})
    until(lambda: _pod_of(place, "signal-generator") not in ("", pod), "a new pod", 60)
    until(lambda: place.condition("Degraded")[0] == "False", "nothing wrong any more", 60)


def _last_words(place: Place) -> subprocess.CompletedProcess[str]:
    """What the program says that the pod would run, with the manifest that it would have mounted."""
    text = place.get("configmap", "demo-system")["data"]["system.yaml"]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as manifest:
        manifest.write(text)
        manifest.flush()
        environment = {**os.environ, "TRADINGMESH_SYSTEM_FILE": manifest.name}
        command = [str(Path(sys.executable).with_name("tradingmesh")), "run", "signal-generator"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _pod_of(place: Place, component: str) -> str:
    pods = [pod["metadata"] for pod in place.all("pods") if "deletionTimestamp" not in pod["metadata"]]
    names = (pod["name"] for pod in pods if pod["labels"]["app.kubernetes.io/name"] == component)
    return next((name for name in names if name.startswith("demo-")), "")


def _crash(place: Place, pod: str, words: str) -> None:
    terminated = {"exitCode": 2, "reason": "Error", "message": words}
    container = {
        "name": "signal-generator",
        "image": "x",
        "imageID": "",
        "ready": False,
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
        "lastState": {"terminated": terminated},
    }
    unready = [{"type": "Ready", "status": "False"}]
    patch = {"status": {"phase": "Running", "conditions": unready, "containerStatuses": [container]}}
    place.kubectl("patch", "pod", pod, "--subresource=status", "-p", json.dumps(patch))
