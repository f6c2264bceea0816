"""Charts rendered as helm renders them, and what is asked of the result."""

import copy
import functools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.build_tools import build
from tradingmesh.contract import Component
from tradingmesh_operator.charts.dependencies import complete

ROOT = Path(__file__).parents[2]
CHARTS = ROOT / "charts"
UMBRELLA = "trading-system"
OPERATOR = "tradingmesh-operator"
LIBRARY = "tradingmesh-lib"
APPLICATIONS = (*Component, UMBRELLA, OPERATOR)
NAMESPACE = "trading"
Object = dict[str, Any]


class HelmError(Exception):
    """What helm said."""


def helm(*arguments: str | Path, stdin: str | None = None, kubeconfig: Path | None = None) -> str:
    """What helm prints; without a kubeconfig it knows of no cluster. Raises `HelmError` with its words if it fails."""
    done = subprocess.run(
        [build("helm"), *arguments],
        env={**os.environ, "KUBECONFIG": str(kubeconfig or os.devnull)},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise HelmError(done.stderr + done.stdout)
    return done.stdout


@functools.cache
def completed() -> Path:
    """A copy of the charts with their dependencies, made once a run."""
    folder = tempfile.TemporaryDirectory(prefix="tradingmesh-charts-")
    _KEPT.append(folder)
    complete(CHARTS, Path(folder.name))
    return Path(folder.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


def render(
    chart: str, values: Object | None = None, *, release: str = "demo", namespace: str = NAMESPACE
) -> list[Object]:
    """The objects of a chart."""
    return copy.deepcopy(_rendered(chart, release, namespace, yaml.safe_dump(values)))


@functools.cache
def _rendered(chart: str, release: str, namespace: str, values: str) -> list[Object]:
    told = helm("template", release, completed() / chart, "--namespace", namespace, "--values", "-", stdin=values)
    return [found for found in yaml.load_all(told, yaml.CSafeLoader) if found]


def system_values(manifest: Object, **others: Any) -> Object:
    """The values of the umbrella for a TradingSystem, as the operator gives them."""
    spec = dict(manifest["spec"])
    components = spec.pop("components", {})
    system = {"name": manifest["metadata"]["name"], "spec": spec}
    return {"global": {"system": system, "controlTokenSecret": "control"} | others, **components}


def spec_values(spec: Object, **others: Any) -> Object:
    """The values of a chart for a spec."""
    return system_values({"metadata": {"name": "demo"}, "spec": {"symbols": ["IBM"], **spec}}, **others)


def samples() -> dict[str, Object]:
    """Every TradingSystem under manifests/, by the name of its file, such as `demo` or `samples-live`."""
    found, folder = {}, ROOT / "manifests"
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document.get("kind") == "TradingSystem":
                found["-".join(path.relative_to(folder).with_suffix("").parts)] = document
    return found


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    """Those of that kind."""
    return [one for one in objects if one["kind"] in kinds]


def named(objects: list[Object], kind: str, name: str) -> Object:
    """The one object of that kind and name."""
    [found] = [one for one in of_kind(objects, kind) if one["metadata"]["name"] == name]
    return found


def component_of(one: Object) -> str:
    """The component that an object belongs to."""
    return str(one["metadata"]["labels"]["app.kubernetes.io/name"])


def workloads(objects: list[Object]) -> dict[str, Object]:
    """Deployments and StatefulSets by component."""
    return {component_of(one): one for one in of_kind(objects, "Deployment", "StatefulSet")}


def container(workload: Object) -> Object:
    """The one container of a Deployment or StatefulSet."""
    [found] = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(workload: Object) -> dict[str, Any]:
    """Its environment: a text, or where the text comes from."""
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container(workload)["env"]}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every text and number in an object, with the path to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{number}]")
    else:
        yield path, value
