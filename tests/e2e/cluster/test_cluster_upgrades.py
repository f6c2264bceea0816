"""The operator is upgraded, and every program with it, while fills come in; and back again.

Another version would replace the simulator, too, and with it the account: so the system is one of mode paper, and its
broker is a simulator that was installed by its own chart.
"""

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from tests.cluster import containerd, loading
from tests.cluster.place import Place
from tests.cluster.waiting import until
from tests.e2e.cluster.conftest import Figures, Made, Operator
from tests.e2e.cluster.kube import Kube
from tests.e2e.cluster.trading import ENOUGH, ROOT, Trading
from tradingmesh_operator.charts.dependencies import complete

BROKER = "broker"
ROLLED_WITHIN_S = 300.0
KEYS = ("--from-literal=APCA_API_KEY_ID=simulator", "--from-literal=APCA_API_SECRET_KEY=simulator")


@pytest.fixture(scope="module")
def another_version(images: dict[str, str]) -> str:
    """The tag of other images: `E2E_UPGRADE_TAG`, or in a cluster of our own the same ones under a new name."""
    if given := os.environ.get("E2E_UPGRADE_TAG"):
        return given
    tag = f"{images['image.tag']}-next"
    for name in loading.wanted(images["image.tag"]).values():
        done = containerd.ctr(Place(), "images", "tag", "--force", name, f"{name.rpartition(':')[0]}:{tag}")
        assert done.returncode == 0, done.stderr
    return tag


@pytest.fixture(scope="module")
def paper(made: Made, kube: Kube, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Trading:
    """A system of mode paper, and a broker for it."""
    trading = made()
    trading.without_limits()
    trading.kubectl("create", "secret", "generic", "keys", *KEYS)
    _install_broker(trading, kube, images, tmp_path_factory.mktemp("charts"))
    host = f"{BROKER}-alpaca-simulator:8900"
    trading.spec["mode"] = "paper"
    trading.spec["broker"] = {
        "kind": "alpaca",
        "credentialsSecretRef": {"name": "keys"},
        "commissionPerShare": trading.spec["broker"]["commissionPerShare"],
        "tradingUrl": f"http://{host}",
        "tradingStreamUrl": f"ws://{host}/stream",
        "dataStreamUrl": f"ws://{host}/v2/iex",
    }
    trading.broker_name = BROKER
    trading.opening_cash = Decimal(ENOUGH)
    trading.apply()
    trading.wait_for("Ready", 240)
    return trading


@pytest.fixture(autouse=True)
def _as_before(operator: Operator) -> Iterator[None]:
    """Whatever happens here, the tests of other files find the usual version."""
    yield
    operator.install()


def _install_broker(trading: Trading, kube: Kube, images: dict[str, str], folder: Path) -> None:
    """`helm install` of the simulator alone."""
    complete(ROOT / "charts", folder)
    values = folder / "values.yaml"
    image = {"repository": images["image.repository"], "tag": images["image.tag"]}
    keys = {"credentialsSecretRef": {"name": "keys"}}
    spec = {**trading.spec, "broker": {**trading.spec["broker"], **keys}}
    values.write_text(yaml.safe_dump({"global": {"system": {"spec": spec}, "image": image}}))
    where = ("--namespace", trading.namespace, "--values", str(values), "--wait", "--timeout=120s")
    kube.helm("install", BROKER, str(folder / "alpaca-simulator"), *where)


def _versions(trading: Trading) -> set[str]:
    wanted = ("get", "pods", "-l", f"app.kubernetes.io/instance={trading.name}")
    images = trading.kubectl(*wanted, "-o", "jsonpath={.items[*].spec.containers[0].image}").split()
    return {image.rpartition(":")[2] for image in images}


def _rolled(trading: Trading, tag: str) -> bool:
    pods = trading.pods()
    return _versions(trading) == {tag} and len(pods) == 9 and all(pod.ready for pod in pods.values())


def test_upgrading_and_going_back_loses_nothing(
    paper: Trading, operator: Operator, another_version: str, images: dict[str, str], figures: Figures
) -> None:
    """Every pod is another, the risk manager's first; the books are the broker's account afterwards.

    Were the outbox kept in memory, the fills that the execution engine held would be lost with its pod.
    """
    paper.load()
    until(lambda: paper.fills() > 50, "fills", 60)
    for figure, tag in (("upgraded_s", another_version), ("back_s", images["image.tag"])):
        began_s = time.monotonic()
        operator.install(tag)
        until(lambda tag=tag: _rolled(paper, tag), f"every pod at {tag}", ROLLED_WITHIN_S)  # type: ignore[misc]
        figures.note(figure, time.monotonic() - began_s)
    paper.unload()
    figures.note("fills", paper.settle().fills)
