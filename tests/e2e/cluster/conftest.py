"""What the tests in a whole cluster share: the cluster, the operator in it, and systems in namespaces of their own.

`E2E_KUBECONFIG` names a cluster that is there; it finds the images at `E2E_IMAGE_REPOSITORY` with the tag
`E2E_IMAGE_TAG`. Without it the cluster is that of `make cluster cluster-images`, which `make e2e` brings up first.
"""

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.cluster import loading
from tests.cluster.place import Place
from tests.cluster.waiting import until
from tests.e2e.cluster.kube import Kube
from tests.e2e.cluster.trading import ROOT, Trading

CHART = ROOT / "charts" / "tradingmesh-operator"
FIGURES = ROOT / "var" / "e2e.json"
Made = Callable[..., Trading]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In a cluster everything takes longer; what hangs ends all the same."""
    for item in items:
        if "tests/e2e/cluster" in str(item.path) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def kube() -> Kube:
    """The cluster with the images in it."""
    kubeconfig = Path(os.environ.get("E2E_KUBECONFIG") or Place().kubeconfig)
    if not kubeconfig.exists():
        pytest.fail("there is no cluster: `make cluster cluster-images`, or set E2E_KUBECONFIG", pytrace=False)
    return Kube(kubeconfig)


@pytest.fixture(scope="session")
def images() -> dict[str, str]:
    """Where the images are, as values of the operator's chart."""
    repository = os.environ.get("E2E_IMAGE_REPOSITORY", loading.REPOSITORY)
    return {"image.repository": repository, "image.tag": os.environ.get("E2E_IMAGE_TAG", loading.version())}


class Operator:
    """The operator's release."""

    namespace = "tradingmesh-operator"
    _release = "tradingmesh"

    def __init__(self, kube: Kube, images: dict[str, str]) -> None:
        self._kube = kube
        self._images = images

    def install(self, tag: str | None = None, chart: Path = CHART) -> None:
        """`helm install`, or `helm upgrade` where it is installed: this version, or another's images and chart."""
        told = {**self._images, **({"image.tag": tag} if tag else {})}
        values = [argument for name, value in told.items() for argument in ("--set-string", f"{name}={value}")]
        where = ["--namespace", self.namespace, "--create-namespace", "--wait", "--timeout=150s"]
        self._kube.helm("upgrade", "--install", self._release, str(chart), *where, *values)

    def uninstall(self) -> None:
        """`helm uninstall`, which returns when its pod is gone."""
        where = ["--namespace", self.namespace]
        self._kube.helm("uninstall", self._release, *where, "--ignore-not-found", "--wait", "--timeout=120s")


@pytest.fixture(scope="session")
def operator(kube: Kube, images: dict[str, str]) -> Iterator[Operator]:
    """The operator, at work."""
    release = Operator(kube, images)
    release.install()
    yield release
    release.uninstall()
    kube.run("delete", "namespace", release.namespace, "--ignore-not-found", "--wait=false")


@contextmanager
def systems(kube: Kube) -> Iterator[Made]:
    """Makes systems, and takes them away again with all that was theirs."""
    made: list[Trading] = []

    def make(name: str = "demo") -> Trading:
        namespace = f"e2e-{random.SystemRandom().getrandbits(32):08x}"
        kube.run("create", "namespace", namespace)
        made.append(Trading(kube, namespace, name))
        return made[-1]

    yield make
    for system in made:
        where = ("--namespace", system.namespace)
        kube.run(*where, "delete", "tsys", "--all", "--ignore-not-found", "--timeout=100s", check=False)
        kube.run(*where, "delete", "deployments,pods", "--all", "--wait=false", check=False)
    # Pods first: a namespace with pods that are about to go is looked at again only after half of their grace period.
    for system in made:
        until(partial(_no_pod, kube, system.namespace), f"no pod in {system.namespace}", 150)
        kube.run("delete", "namespace", system.namespace, "--wait=false", check=False)


def _no_pod(kube: Kube, namespace: str) -> bool:
    return not kube.text("--namespace", namespace, "get", "pods", "-o", "name")


@pytest.fixture(scope="module")
def made(kube: Kube, operator: Operator) -> Iterator[Made]:  # noqa: ARG001 - it runs them
    """Makes systems for the tests of one file."""
    with systems(kube) as make:
        yield make


@pytest.fixture(scope="module")
def system(made: Made) -> Trading:
    """A simulated system that trades, for the tests of one file."""
    trading = made()
    trading.spec["broker"]["simulator"]["ticksPerSecond"] = 60
    trading.spec["riskLimits"]["maxOrdersPerMinute"] = 600
    trading.apply()
    trading.wait_for("Ready", 240)
    until(lambda: trading.fills() > 0, "the first fill", 90)
    return trading


class Figures:
    """What was measured, kept for docs/e2e.md."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario

    def note(self, name: str, value: float) -> None:
        """Keeps one figure; its unit is the last word of its name."""
        FIGURES.parent.mkdir(exist_ok=True)
        kept = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        kept.setdefault(self._scenario, {})[name] = round(value, 2)
        FIGURES.write_text(json.dumps(kept, indent=1, sort_keys=True))
        print(f"{self._scenario}: {name} {value:.2f}")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Keeps what this test measures."""
    file = request.path.stem.removeprefix("test_cluster_")
    return Figures(f"{file}: {request.node.name.removeprefix('test_')}")


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """How many seconds it is since."""
    began_s = time.monotonic()
    yield lambda: time.monotonic() - began_s
