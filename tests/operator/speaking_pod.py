"""A pod that answers /configz although nothing runs in it: its address is one of loopback, where the test listens."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from tests.cluster.waiting import until
from tests.operator.place import Place
from tradingmesh.contract import ADMIN_PORT

_HOSTS = count(2)
ACTIVE = {"trading": "Active", "manifest_trading": "Active", "switch": "Active", "breaker": {"state": "Closed"}}


def says(generation: int, **status: Any) -> dict[str, Any]:
    """What a component of a system that trades answers, but for what is given."""
    return {"generation": generation, "version": "0.1.0", "status": {**ACTIVE, **status}}


class SpeakingPod:
    """Whoever asks it hears `says`, as it is then. Used with `with`."""

    def __init__(self, place: Place, component: str, says: dict[str, Any]) -> None:
        self.says = says
        self._place = place
        self._component = component
        self.address = f"127.77.0.{next(_HOSTS)}"
        self._server = ThreadingHTTPServer((self.address, ADMIN_PORT), _handler(self))

    def __enter__(self) -> "SpeakingPod":
        """Begins to answer."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Is heard of no more."""
        self._server.shutdown()
        self._server.server_close()

    def run(self) -> bool:
        """Gives the component's pod this address, as a kubelet does; False while there is no pod."""
        pod = self.manifest()
        if not pod:
            return False
        addresses = {"podIP": self.address, "podIPs": [{"ip": self.address}]}
        status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], **addresses}
        patch = json.dumps({"status": status})
        self._place.kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "-p", patch)
        return True

    def manifest(self) -> dict[str, Any]:
        """The pod as the API server has it; empty where there is none."""
        found = self._place.all("pods", f"app.kubernetes.io/name={self._component}")
        return found[0] if found else {}


@contextmanager
def manager_and_engine(
    place: Place, positions: object = None, **orders_open: int
) -> Iterator[tuple[SpeakingPod, SpeakingPod]]:
    """The two that a deletion waits for, running in `place`: what is held, and the open orders by status."""
    held = {} if positions is None else {"positions": positions}
    with (
        SpeakingPod(place, "risk-manager", says(1, **held)) as manager,
        SpeakingPod(place, "execution-engine", says(1, orders_open=orders_open)) as engine,
    ):
        until(manager.run, "the risk manager's pod", 60)
        until(engine.run, "the engine's pod", 60)
        yield manager, engine


def _handler(pod: SpeakingPod) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(pod.says).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler
