"""A real Prometheus on loopback, scraping what it is told of: processes of this machine, or pods of a cluster."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.observability.program import HOST, Program, of_the_system, there, wait
from tradingmesh.cli.up_ports import counted_from

SCRAPE_EVERY_S = 0.5


def local(ports: Iterable[int]) -> dict[str, Any]:
    """A scrape config of processes of this machine, by their admin ports."""
    targets = [f"{HOST}:{port}" for port in ports]
    return {"job_name": "tradingmesh", "static_configs": [{"targets": targets}]}


def by_file(targets: Path) -> dict[str, Any]:
    """A scrape config of what a file says, now and later: Debian's Prometheus cannot ask Kubernetes itself."""
    return {"job_name": "pods", "file_sd_configs": [{"files": [str(targets)], "refresh_interval": "1s"}]}


def pod_targets(pods: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """What such a file says of the running ones of `kubectl get pods -o json`, by their `prometheus.io` annotations."""
    found = []
    for pod in pods:
        about, status = pod["metadata"], pod["status"]
        told = about.get("annotations", {})
        if told.get("prometheus.io/scrape") == "true" and status.get("phase") == "Running" and "podIP" in status:
            labels = {"namespace": about["namespace"], "pod": about["name"]}
            labels["__metrics_path__"] = told.get("prometheus.io/path", "/metrics")
            found.append({"targets": [f"{status['podIP']}:{told['prometheus.io/port']}"], "labels": labels})
    return found


class Prometheus:
    """Scrapes what a scrape config names, and evaluates the rules of a file. `folder` is its own."""

    def __init__(self, folder: Path, scrape: dict[str, Any], rules: Path | None = None) -> None:
        folder.mkdir()
        every = f"{round(SCRAPE_EVERY_S * 1_000)}ms"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(rules.absolute())] if rules is not None else [],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = next(counted_from(0))
        command = [
            there(lambda: of_the_system("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={HOST}:{port}",
            "--query.lookback-delta=5s",
        ]
        self._program = Program(command, port, folder / "log", dict(os.environ))
        wait(lambda: self._program.answers("/-/ready"), "Prometheus ready")

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query: `metric` has the labels, `value` the time and the figure as text."""
        answer = self._program.get("/api/v1/query", query=expr)
        assert answer["status"] == "success", answer
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def firing(self) -> dict[str, dict[str, str]]:
        """The alerts that fire, by name, with what they say."""
        alerts = self._program.get("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"]: alert["annotations"] for alert in alerts if alert["state"] == "firing"}

    def scraped(self) -> int:
        """How many targets answered the last scrape."""
        return sum(series["value"][1] == "1" for series in self.query("up"))

    def close(self) -> None:
        """Ends it."""
        self._program.close()
