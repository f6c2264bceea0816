"""Builds the programs of a real Kubernetes that tests start, and prints where each is.

    python -m tests.cluster.build_tools kube-apiserver helm

Each is built once and kept outside the checkout, in `$XDG_CACHE_HOME/tradingmesh/tools/VERSION` (default `~/.cache`).
Go builds them from the modules pinned here, in `kubernetes/go.mod` and in `jaeger/go.mod`; etcd comes from the system's
packages.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.cluster.packages import need

KUBERNETES = "v1.34.4"
HERE = Path(__file__).parent
HELM = "v" + re.findall(r"^ARG HELM_VERSION=(.+)$", (HERE.parents[1] / "Dockerfile").read_text(), re.MULTILINE)[0]
"""The one that is in the operator's image, for what it renders is tested."""
HELM_DOCS = "v1.14.2"
COREDNS = "v1.15.0"
JAEGER = "v1.62.0"
MODULES = {KUBERNETES: "kubernetes", JAEGER: "jaeger"}
"""What `go install` does not take, for it replaces modules, is built in a module of ours that does so too."""
_LINK = "-s -w"
_VERSION = "k8s.io/component-base/version"
_HELM_ASSUMES = "helm.sh/helm/v3/pkg/chartutil"


class Tool(NamedTuple):
    """A program: what Go builds it from, and with which version of it."""

    package: str
    version: str
    seconds: int
    """About how long it takes on two cores, from nothing."""


TOOLS = {
    "kube-apiserver": Tool("k8s.io/kubernetes/cmd/kube-apiserver", KUBERNETES, 240),
    "kube-controller-manager": Tool("k8s.io/kubernetes/cmd/kube-controller-manager", KUBERNETES, 120),
    "kube-scheduler": Tool("k8s.io/kubernetes/cmd/kube-scheduler", KUBERNETES, 30),
    "kubelet": Tool("k8s.io/kubernetes/cmd/kubelet", KUBERNETES, 60),
    "kube-proxy": Tool("k8s.io/kubernetes/cmd/kube-proxy", KUBERNETES, 30),
    "kubectl": Tool("k8s.io/kubernetes/cmd/kubectl", KUBERNETES, 60),
    "coredns": Tool("github.com/coredns/coredns", COREDNS, 130),
    "helm": Tool("helm.sh/helm/v3/cmd/helm", HELM, 140),
    "jaeger": Tool("github.com/jaegertracing/jaeger/cmd/all-in-one", JAEGER, 100),
    "helm-docs": Tool("github.com/norwoodj/helm-docs/cmd/helm-docs", HELM_DOCS, 40),
}


def cache() -> Path:
    """Where everything is kept that is built once a machine."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tradingmesh" / "tools"


def build(name: str) -> Path:
    """The program, built if it is not there yet. Raises `CalledProcessError` where Go cannot build it."""
    tool = TOOLS[name]
    program = cache() / tool.version / name
    if program.exists():
        return program
    print(f"building {name} {tool.version}: about {tool.seconds} s, once", file=sys.stderr)
    program.parent.mkdir(parents=True, exist_ok=True)
    unfinished = program.with_suffix(f".{os.getpid()}")
    try:
        _go_build(tool, unfinished)
        unfinished.replace(program)
    finally:
        unfinished.unlink(missing_ok=True)
    return program


def etcd() -> str:
    """The etcd of the system, installed where root may. Raises `SystemExit` saying what to install otherwise."""
    need("etcd")
    return shutil.which("etcd") or "etcd"


def _go_build(tool: Tool, into: Path) -> None:
    if shutil.which("go") is None:
        raise SystemExit("go is missing: Go 1.24 or newer builds these programs")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-trimpath"}
    major, minor = KUBERNETES.removeprefix("v").split(".")[:2]
    if tool.version in MODULES:
        told = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor}
        link = " ".join([_LINK, *(f"-X {_VERSION}.{name}={value}" for name, value in told.items())])
        command = ["go", "build", "-ldflags", link, "-o", str(into), tool.package]
        subprocess.run(command, check=True, cwd=HERE / MODULES[tool.version], env=environment, stdout=sys.stderr)
        return
    folder = into.with_suffix(".bin")
    # Untold, helm takes a cluster that it cannot ask for one of 2020, and refuses charts that ask for a newer.
    assumed = {"k8sVersionMajor": major, "k8sVersionMinor": minor}
    link = " ".join([_LINK, *(f"-X {_HELM_ASSUMES}.{name}={value}" for name, value in assumed.items())])
    command = ["go", "install", "-ldflags", link, f"{tool.package}@{tool.version}"]
    subprocess.run(command, check=True, env={**environment, "GOBIN": str(folder)}, stdout=sys.stderr)
    (folder / Path(tool.package).name).replace(into)
    folder.rmdir()


def main() -> None:
    """Builds what is named, and prints a path a line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tools", nargs="+", choices=[*TOOLS, "etcd"])
    for name in parser.parse_args().tools:
        print(etcd() if name == "etcd" else build(name))


if __name__ == "__main__":
    main()
