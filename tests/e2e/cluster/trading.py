"""One TradingSystem in a namespace of its own, judged by the broker's account."""

import json
import re
import subprocess
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.cluster.waiting import until
from tests.e2e.cluster.kube import Kube

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "manifests" / "samples" / "simulated.yaml"
ADMIN_PORT, BROKER_PORT = 9090, 8900
SETTLED_WITHIN_S = 60.0
ENOUGH = "900000000000"
"""Of money, shares and orders: no limit is near."""
_ASK = """
import json, sys, urllib.request
keys = {"APCA-API-KEY-ID": "simulator", "APCA-API-SECRET-KEY": "simulator"}
for method, path, body in json.load(sys.stdin):
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request("http://127.0.0.1:8900" + path, data, keys, method=method)
    urllib.request.urlopen(request, timeout=10).read()
"""


class Books(NamedTuple):
    """An account, of the broker or of the risk manager: cash, positions that are not flat, how many fills."""

    cash: Decimal
    positions: dict[str, Decimal]
    fills: int


class Pod(NamedTuple):
    """What tells one pod, and one life of its container, from another."""

    uid: str
    restarts: int
    ready: bool


class Trading:
    """A TradingSystem as its user sees it."""

    def __init__(self, kube: Kube, namespace: str, name: str = "demo") -> None:
        self.kube = kube
        self.namespace = namespace
        self.name = name
        self.broker_name = name
        """The system whose simulator is the broker: its own, or another's in the namespace."""
        self.opening_cash = Decimal(0)
        """What a ledger does not count that began with an account of somebody else's."""
        self.manifest: dict[str, Any] = yaml.safe_load(SAMPLE.read_text())
        self.manifest["metadata"]["name"] = name

    @property
    def spec(self) -> dict[str, Any]:
        """What is applied next."""
        spec: dict[str, Any] = self.manifest["spec"]
        return spec

    # What a person types

    def kubectl(self, *arguments: str, stdin: object = None) -> str:
        """`kubectl` in its namespace."""
        return self.kube.run("--namespace", self.namespace, *arguments, stdin=stdin).stdout.strip()

    def apply(self) -> None:
        """`kubectl apply` of the manifest."""
        self.kubectl("apply", "-f", "-", stdin=self.manifest)

    def patch(self, spec: dict[str, Any]) -> None:
        """`kubectl patch`, which is what `kubectl edit` sends."""
        done = self.try_patch(spec)
        assert done.returncode == 0, done.stderr

    def try_patch(self, spec: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        """The same, whether it is taken or not."""
        told = ("patch", f"tsys/{self.name}", "--type=merge", "-p", json.dumps({"spec": spec}))
        return self.kube.run("--namespace", self.namespace, *told, check=False)

    def generation(self) -> int:
        """Of the manifest that the API server has now."""
        return int(self.kubectl("get", f"tsys/{self.name}", "-o", "jsonpath={.metadata.generation}"))

    def wait_for(self, condition: str, within_s: float = 120.0) -> None:
        """`kubectl wait`."""
        self.kubectl("wait", f"--for=condition={condition}", f"tsys/{self.name}", f"--timeout={within_s:.0f}s")

    def load(self) -> None:
        """An order without end on each symbol, straight at the broker, as another program of the owner's gives it.

        Its limit is far beyond the market, and a quote displays few shares: each quote is a fill.
        """
        common = {"side": "buy", "qty": "50000000", "type": "limit", "time_in_force": "day", "limit_price": "2000"}
        self._ask_broker([["POST", "/v2/orders", {**common, "symbol": symbol}] for symbol in self.spec["symbols"]])

    def unload(self) -> None:
        """Withdraws every order."""
        self._ask_broker([["DELETE", "/v2/orders", None]])

    def _ask_broker(self, requests: list[list[Any]]) -> None:
        broker = f"deployment/{self.broker_name}-alpaca-simulator"
        self.kubectl("exec", "-i", broker, "--", "python", "-c", _ASK, stdin=requests)

    def without_limits(self) -> None:
        """Lets the manifest bear `load`: cash for any order, and limits that it does not meet."""
        self.spec["broker"]["simulator"] |= {"cash": ENOUGH, "ticksPerSecond": 60}
        large = ("maxOrderQuantity", "maxOrderNotional", "maxPositionQuantity", "maxPositionNotional")
        told = dict.fromkeys((*large, "maxGrossNotional", "maxDailyLoss"), ENOUGH)
        whole = {name: int(value) for name, value in told.items() if name.endswith("Quantity")}
        self.spec["riskLimits"] |= {**told, **whole, "maxOpenOrders": 1000, "priceCollarPercent": "50"}

    # What there is to see

    def conditions(self) -> dict[str, dict[str, Any]]:
        """The conditions of its status, by their types."""
        system = self.kube.json("--namespace", self.namespace, "get", f"tsys/{self.name}")
        return {one["type"]: one for one in system.get("status", {}).get("conditions", ())}

    def pods(self, component: str = "", system: str = "") -> dict[str, Pod]:
        """Its pods, or those of a component, that are not on their way out; of this system, or of another beside it."""
        labels = [f"app.kubernetes.io/instance={system or self.name}", "app.kubernetes.io/part-of=tradingmesh"]
        labels += [f"app.kubernetes.io/name={component}"] if component else []
        found = self.kube.json("--namespace", self.namespace, "get", "pods", "--selector", ",".join(labels))["items"]
        return {pod["metadata"]["name"]: _pod(pod) for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def configz(self, component: str) -> dict[str, Any]:
        """What a component says of itself; empty where it does not answer."""
        for pod in self.pods(component):
            found: dict[str, Any] | None = self.kube.fetch(self.namespace, pod, ADMIN_PORT, "/configz")
            if found is not None:
                return found
        return {}

    def status(self, component: str) -> dict[str, Any]:
        """The part of it that is particular to the component."""
        found: dict[str, Any] = self.configz(component).get("status", {})
        return found

    def broker(self) -> dict[str, Any]:
        """The broker's own account in figures: the truth."""
        told: dict[str, Any] = until(partial(self._broker, ADMIN_PORT, "/configz"), "an answer of the broker")["status"]
        return told

    def executions(self) -> list[dict[str, str]]:
        """Every fill of that account. They may be many: what is asked often is how many."""
        told: list[dict[str, str]] = until(partial(self._broker, BROKER_PORT, "/simulator/state"), "its fills")["fills"]
        return told

    def _broker(self, port: int, path: str) -> dict[str, Any]:
        for pod in self.pods("alpaca-simulator", self.broker_name):
            found: dict[str, Any] | None = self.kube.fetch(self.namespace, pod, port, path)
            if found is not None:
                return found
        return {}

    def broker_books(self) -> Books:
        """The truth in three figures."""
        account = self.broker()
        held = {symbol: Decimal(quantity) for symbol, quantity in account["positions"].items()}
        return Books(Decimal(account["cash"]), held, account["fills"])

    def ledger_books(self) -> Books | None:
        """What the risk manager has booked; None where it does not answer."""
        state = self.status("risk-manager")
        if "cash" not in state:
            return None
        held = {one["symbol"]: Decimal(one["quantity"]) for one in state["positions"]}
        flat = {symbol: quantity for symbol, quantity in held.items() if quantity}
        return Books(Decimal(state["cash"]) + self.opening_cash, flat, state["fills_booked"])

    def fills(self) -> int:
        """How many the broker has made."""
        return self.broker_books().fills

    def settle(self, within_s: float = SETTLED_WITHIN_S) -> Books:
        """Waits until the ledger is the broker's account, to the last digit and fill by count, and returns it.

        A fill that was lost, or booked twice, or with another price or quantity, changes cash or a position for good:
        then they are never equal again, and this fails saying how they differ.
        """
        broker: Books | None = None
        ledger: Books | None = None

        def equal() -> bool:
            nonlocal broker, ledger
            broker, ledger = self.broker_books(), self.ledger_books()
            return broker == ledger

        try:
            until(equal, "books that agree", within_s)
        except AssertionError:
            raise AssertionError(f"not equal within {within_s:g} s:\nbroker {broker}\nledger {ledger}") from None
        assert broker is not None
        return broker

    def events(self) -> list[tuple[str, str]]:
        """What was told about it to people: reasons and messages, the oldest first."""
        listed = ("get", "events", "--sort-by=.metadata.creationTimestamp")
        found = self.kube.json("--namespace", self.namespace, *listed)["items"]
        ours = [event for event in found if event["involvedObject"]["kind"] == "TradingSystem"]
        return [(event["reason"], event["message"]) for event in ours]


def _pod(pod: dict[str, Any]) -> Pod:
    statuses = pod["status"].get("containerStatuses", ())
    ready = bool(statuses) and all(status["ready"] for status in statuses)
    return Pod(pod["metadata"]["uid"], sum(status["restartCount"] for status in statuses), ready)


def columns(table: str) -> list[dict[str, str]]:
    """A table that kubectl printed, a row each."""
    head, *rows = (re.split(r"\s{2,}", line.strip()) for line in table.splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]
