"""The same cluster where there is a Docker engine: `kind` makes it, from the image that it pulls."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.build_tools import KUBERNETES
from tests.cluster.place import CHECKOUT, Place

NAME = "tradingmesh"


def up(place: Place) -> None:
    """Makes it, unless it is there."""
    _need()
    place.folder.mkdir(parents=True, exist_ok=True)
    if NAME not in _output("get", "clusters").split():
        _run("create", "cluster", "--name", NAME, "--image", f"kindest/node:{KUBERNETES}", "--wait", "180s")
    place.kubeconfig.write_text(_output("get", "kubeconfig", "--name", NAME))


def down(place: Place) -> None:
    """Removes it."""
    _need()
    _run("delete", "cluster", "--name", NAME)
    place.kubeconfig.unlink(missing_ok=True)


def build_images(tag: str, source: Path = CHECKOUT) -> None:
    """`make images` with the Docker engine, of this version or of another's files."""
    _need()
    subprocess.run(["make", "images", "BUILDER=docker", f"TAG={tag}"], check=True, cwd=source, stdout=sys.stderr)


def load(images: Iterable[str]) -> None:
    """Brings images of the Docker engine into it."""
    _need()
    for image in images:
        _run("load", "docker-image", image, "--name", NAME)


def _need() -> None:
    for program in ("kind", "docker"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is missing: CLUSTER=kind needs a Docker engine and kind")


def _run(*arguments: str) -> None:
    subprocess.run(["kind", *arguments], check=True, stdout=sys.stderr, timeout=900)


def _output(*arguments: str) -> str:
    return subprocess.run(["kind", *arguments], check=True, capture_output=True, text=True, timeout=60).stdout
