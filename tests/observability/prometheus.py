"""A real Prometheus on loopback, scraping the processes that it is told of."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.observability.program import HOST, Program, of_the_system, there, wait
from tradingmesh.cli.up_ports import counted_from

SCRAPE_EVERY_S = 0.5


class Prometheus:
    """Scrapes these admin ports, as one job, and evaluates the rules of a file. `folder` is its own."""

    def __init__(self, folder: Path, ports: Iterable[int], rules: Path | None = None) -> None:
        ports = list(ports)
        folder.mkdir()
        every = f"{round(SCRAPE_EVERY_S * 1_000)}ms"
        config = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "rule_files": [str(rules.absolute())] if rules is not None else [],
            "scrape_configs": [
                {"job_name": "tradingmesh", "static_configs": [{"targets": [f"{HOST}:{port}" for port in ports]}]}
            ],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = next(counted_from(0, ports))
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
