"""What becomes of a test whose program is missing, and that Prometheus takes a cluster's scrape config."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.observability.program import of_the_system, there
from tests.observability.prometheus import by_file, local, pod_targets


def missing() -> str:
    raise SystemExit("missing: prometheus")


def test_a_missing_program_is_a_failure_in_ci_and_a_skip_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip says what to install."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(SystemExit, match="missing: prometheus"):
        there(missing)
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="missing: prometheus"):
        there(missing)


def pod(name: str, phase: str = "Running", **annotations: str) -> dict[str, Any]:
    told = {f"prometheus.io/{key}": value for key, value in annotations.items()}
    about = {"name": name, "namespace": "trading", "annotations": told}
    return {"metadata": about, "status": {"phase": phase, "podIP": "10.0.0.9"}}


def test_pods_are_scraped_by_their_own_annotations() -> None:
    """The running ones that say so, at the port and path that they say."""
    told = {"scrape": "true", "port": "9090", "path": "/m"}
    assert pod_targets([pod("a", **told), pod("b"), pod("c", "Pending", **told)]) == [
        {"targets": ["10.0.0.9:9090"], "labels": {"namespace": "trading", "pod": "a", "__metrics_path__": "/m"}}
    ]


def test_prometheus_takes_both_scrape_configs(tmp_path: Path) -> None:
    """The one for processes, and the one for pods."""
    path = tmp_path / "prometheus.yml"
    (tmp_path / "pods.json").write_text(json.dumps(pod_targets([pod("a", scrape="true", port="1")])))
    path.write_text(yaml.safe_dump({"scrape_configs": [local([9090]), by_file(tmp_path / "pods.json")]}))
    promtool = there(lambda: of_the_system("promtool"))
    done = subprocess.run([promtool, "check", "config", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
