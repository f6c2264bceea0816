"""A real Jaeger on loopback: OTLP over HTTP in, its query API out. It keeps its traces in memory."""

import os
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.build_tools import build
from tests.observability.program import HOST, Program, there, wait
from tradingmesh.cli.up_ports import counted_from

_OTHERS = (
    "admin.http",
    "collector.grpc-server",
    "collector.http-server",
    "collector.otlp.grpc",
    "http-server",
    "query.grpc-server",
)
_AGENT = ("jaeger-binary", "jaeger-compact", "zipkin-compact")
"""It listens there too, and nobody comes."""
TRACES_MAX = 20_000


class Seen(NamedTuple):
    """A span as Jaeger tells it. Times in microseconds; `parent` is empty for a root."""

    name: str
    service: str
    span_id: str
    parent: str
    start_us: int
    end_us: int


class Jaeger:
    """All of Jaeger in one process. `folder` is its own; it takes spans at the address `listen`."""

    def __init__(self, folder: Path, listen: str = HOST) -> None:
        folder.mkdir()
        self._listen = listen
        ports = list(islice(counted_from(0), 2 + len(_OTHERS) + len(_AGENT)))
        query, self.otlp_port, *others = ports
        told = {"query.http-server.host-port": query}
        told |= {f"{name}.host-port": others.pop() for name in _OTHERS}
        told |= {f"processor.{name}.server-host-port": others.pop() for name in _AGENT}
        flags = [f"--{name}={HOST}:{port}" for name, port in told.items()]
        flags.append(f"--collector.otlp.http.host-port={listen}:{self.otlp_port}")
        command = [there(lambda: build("jaeger")), *flags, f"--memory.max-traces={TRACES_MAX}"]
        environment = {**os.environ, "SPAN_STORAGE_TYPE": "memory"}
        self._program = Program(command, query, folder / "log", environment)
        wait(lambda: self._program.answers("/api/services"), "Jaeger ready")

    @property
    def endpoint(self) -> str:
        """Where spans are sent to."""
        return f"http://{self._listen}:{self.otlp_port}"

    def services(self) -> set[str]:
        """Whose spans have arrived."""
        return set(self._program.get("/api/services")["data"] or ())

    def traces(self, service: str, operation: str, limit: int = 20) -> list[str]:
        """The ids of the newest traces that have such a span."""
        found = self._program.get("/api/traces", service=service, operation=operation, limit=str(limit))
        return [str(trace["traceID"]) for trace in found["data"]]

    def spans(self, trace_id: str) -> list[Seen]:
        """Every span of a trace, once: who sends spans and hears no answer in time sends them again."""
        [trace] = self._program.get(f"/api/traces/{trace_id}")["data"]
        return list(dict.fromkeys(_seen(span, trace["processes"]) for span in trace["spans"]))

    def close(self) -> None:
        """Ends it."""
        self._program.close()


def _seen(span: dict[str, Any], processes: dict[str, dict[str, Any]]) -> Seen:
    parents = [reference["spanID"] for reference in span["references"]]
    start_us = int(span["startTime"])
    service = str(processes[span["processID"]]["serviceName"])
    end_us = start_us + int(span["duration"])
    return Seen(span["operationName"], service, span["spanID"], "".join(parents), start_us, end_us)
