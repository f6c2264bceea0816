"""The operator is upgraded, and every program with it, while fills come in; and back again.

Another version would replace the simulator, too, and with it the account: so the system is one of mode paper, and its
broker is a simulator that was installed by its own chart. No version was released yet: the one before is an earlier
commit of the repository, the oldest that can be gone back to (`tests/cluster/previous.py`).
"""

import os
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.cluster import previous
from tests.cluster.waiting import until
from tests.e2e.cluster.booked import assert_each_booked_once
from tests.e2e.cluster.conftest import CHART, Figures, Made, Operator, stopwatch
from tests.e2e.cluster.kube import Kube
from tests.e2e.cluster.trading import ENOUGH, ROOT, Trading
from tradingmesh_operator.charts.dependencies import complete

BROKER = "broker"
ROLLED_WITHIN_S = 300.0
KEYS = ("--from-literal=APCA_API_KEY_ID=simulator", "--from-literal=APCA_API_SECRET_KEY=simulator")


class Version(NamedTuple):
    """One version of the product: the tag of its images, and the operator's chart."""

    tag: str
    chart: Path


@pytest.fixture(scope="module")
def this_version(images: dict[str, str]) -> Version:
    """The one under test."""
    return Version(images["image.tag"], CHART)


@pytest.fixture(scope="module")
def version_before() -> Version:
    """The one that `make cluster-images` made; in somebody else's cluster, that of `E2E_UPGRADE_TAG`."""
    if tag := os.environ.get("E2E_UPGRADE_TAG"):
        return Version(tag, Path(os.environ.get("E2E_UPGRADE_CHART", CHART)))
    if "E2E_KUBECONFIG" in os.environ:
        pytest.skip("E2E_UPGRADE_TAG names no other version's images in this cluster")
    return Version(previous.tag(), previous.source() / CHART.relative_to(ROOT))


@pytest.fixture(scope="module")
def paper(
    made: Made,
    kube: Kube,
    images: dict[str, str],
    operator: Operator,
    version_before: Version,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trading:
    """A system of mode paper that was made by the version before, and a broker for it."""
    operator.install(*version_before)
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
    assert _versions(trading) == {version_before.tag}
    return trading


@pytest.fixture(scope="module", autouse=True)
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
    paper: Trading, operator: Operator, this_version: Version, version_before: Version, figures: Figures
) -> None:
    """Every pod is another, the risk manager's first; the books are the broker's account afterwards.

    Were the outbox kept in memory, the fills that the execution engine held would be lost with its pod. A version that
    cannot read the other's files does not get ready.
    """
    paper.load()
    until(lambda: paper.fills() > 50, "fills", 60)
    for figure, version in (("upgraded_s", this_version), ("back_s", version_before)):
        with stopwatch() as seconds:
            operator.install(*version)
            until(partial(_rolled, paper, version.tag), f"every pod at {version.tag}", ROLLED_WITHIN_S)
            figures.note(figure, seconds())
        made = paper.fills()
        until(partial(_books_more_than, paper, made), "fills that are booked", 120)
    paper.unload()
    figures.note("fills", paper.settle().fills)


def _books_more_than(system: Trading, fills: int) -> bool:
    books = system.ledger_books()
    return books is not None and books.fills > fills


def test_each_execution_was_booked_once(paper: Trading, figures: Figures) -> None:
    """By whichever version it was. It is the last of the tests here, for the system is deleted."""
    figures.note("fills", assert_each_booked_once(paper))
