"""Brings the product's images into the cluster."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.cluster import base_images, buildah, containerd
from tests.cluster.place import CHECKOUT, Place

REPOSITORY = "tradingmesh"
_REGISTRY = "docker.io"
"""What containerd puts before a name that names no registry."""


def components() -> list[str]:
    """Which images there are to be."""
    lines = (CHECKOUT / "requirements" / "images.txt").read_text().splitlines()
    return [name for name in (line.partition(":")[0] for line in lines) if name != "build"]


def version() -> str:
    """The tag that `make images` gives them."""
    told = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    return str(told["project"]["version"])


def build_images(tag: str | None = None, source: Path = CHECKOUT) -> None:
    """`make images` with buildah and the base images that are made here, of this version or of another's files."""
    told = {
        **buildah.make_variables(),
        "BASE": base_images.make_python(),
        "HELM_IMAGE": base_images.make_helm(),
        "IMAGE_PREFIX": REPOSITORY,
        **({"TAG": tag} if tag else {}),
    }
    command = ["make", "images", *(f"{name}={value}" for name, value in told.items())]
    subprocess.run(command, check=True, cwd=source, stdout=sys.stderr, timeout=3600)
    buildah.tidy()


def wanted(tag: str) -> dict[str, str]:
    """The name of each of the product's images in the cluster, by its name in buildah's store."""
    return {f"localhost/{REPOSITORY}/{name}:{tag}": f"{_REGISTRY}/{REPOSITORY}/{name}:{tag}" for name in components()}


def load(place: Place, names: Mapping[str, str]) -> list[str]:
    """Loads what the cluster does not have as it is in buildah's store. Returns what was loaded."""
    ids = buildah.images()
    lacking = [name for name in names if name not in ids]
    if lacking:
        raise SystemExit(f"not built yet: {', '.join(lacking)}: python -m tests.cluster images")
    noted = place.containerd / "loaded"
    noted.mkdir(exist_ok=True)
    there = containerd.images(place)
    news = [name for name, target in names.items() if target not in there or _noted(noted / _file(target)) != ids[name]]
    if news:
        _import(place, {name: names[name] for name in news})
    for name in news:
        (noted / _file(names[name])).write_text(ids[name])
    return news


def _import(place: Place, names: Mapping[str, str]) -> None:
    """All in one archive: layers that they share are in it once."""
    layout = buildah.store() / f"layout.{os.getpid()}"
    try:
        for name, target in names.items():
            buildah.buildah("push", "--quiet", "--disable-compression", name, f"oci:{layout}:{target}")
        _pipe(["tar", "--directory", str(layout), "--create", "."], _ctr_import(place))
    finally:
        shutil.rmtree(layout, ignore_errors=True)


def _ctr_import(place: Place) -> list[str]:
    address = ["--address", str(place.containerd_socket), "--namespace", containerd.NAMESPACE]
    return ["ctr", *address, "images", "import", "-"]


def _pipe(source: Iterable[str], sink: Iterable[str]) -> None:
    with subprocess.Popen(list(source), stdout=subprocess.PIPE) as packing:
        done = subprocess.run(
            list(sink), stdin=packing.stdout, capture_output=True, text=True, timeout=600, check=False
        )
    if packing.returncode or done.returncode:
        raise RuntimeError(f"the images could not be loaded: {done.stderr.strip()[-2000:]}")


def _noted(note: Path) -> str:
    return note.read_text() if note.exists() else ""


def _file(target: str) -> str:
    return target.replace("/", "_").replace(":", "_")
