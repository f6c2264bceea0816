"""Which packages each image gets, out of lock.txt.

`python requirements/images.py` writes images.txt: a line an image, the packages that its extras come to (`make lock`
does it). `python requirements/images.py IMAGE` prints the part of lock.txt with these packages, hashes and all: the
Dockerfile installs that. IMAGE may also be `build`, what builds the program, or `common`, what every image has.
See docs/decisions/0088-an-image-is-a-part-of-the-lock.md.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
LOCK, IMAGES, PROJECT = HERE / "lock.txt", HERE / "images.txt", HERE.parent / "pyproject.toml"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def pinned(lock: str) -> dict[str, str]:
    """From the name of a package to its lines in the lock: more than one version, where Pythons need different ones."""
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=[a-z0-9])", lock):
        lines = [line for line in entry.splitlines() if line and not line.lstrip().startswith("#")]
        if lines:
            name = re.split(r"[=\[ ]", lines[0])[0]
            found[name] = found.get(name, "") + "\n".join(lines) + "\n"
    return found


def written(lock: str, project: str) -> str:
    """What images.txt says, and first what builds the program.

    Packages that one of `PYTHONS` needs are in it; the lock's own markers tell which.
    """
    told = tomllib.loads(project)
    base, extras = told["project"]["dependencies"], told["project"]["optional-dependencies"]
    there = pinned(lock)
    wanted = {"build": told["build-system"]["requires"]}
    for image, chosen in told["tool"]["tradingmesh"]["images"].items():
        wanted[image] = [*base, *(one for extra in chosen for one in extras[extra])]
    return "".join(f"{image}: {' '.join(sorted(_closure(one, there)))}\n" for image, one in wanted.items())


def selected(image: str, lock: str, images: str) -> str:
    """The part of the lock for one image. Raises `KeyError` where there is no such image."""
    wanted = {name: packages.split() for name, packages in (line.split(": ") for line in images.splitlines())}
    there = pinned(lock)
    return "".join(there[name] for name in (_common(wanted) if image == "common" else wanted[image]))


def _common(wanted: dict[str, list[str]]) -> list[str]:
    lists = [packages for image, packages in wanted.items() if image != "build"]
    return sorted(set(lists[0]).intersection(*lists))


def _closure(requirements: list[str], there: dict[str, str]) -> set[str]:
    found: dict[str, set[str]] = {}
    waiting = list(requirements)
    while waiting:
        name, extras = _named(waiting.pop())
        if name not in there or (name in found and extras <= found[name]):
            continue
        found[name] = found.get(name, set()) | extras
        waiting += _requires(name, found[name])
    return set(found)


def _named(requirement: str) -> tuple[str, set[str]]:
    from packaging.requirements import Requirement  # noqa: PLC0415 - only `make lock` has it
    from packaging.utils import canonicalize_name  # noqa: PLC0415

    parsed = Requirement(requirement)
    return canonicalize_name(parsed.name), set(parsed.extras)


def _requires(name: str, extras: set[str]) -> Iterator[str]:
    from importlib.metadata import PackageNotFoundError, requires  # noqa: PLC0415

    from packaging.requirements import Requirement  # noqa: PLC0415

    try:
        told = requires(name) or []
    except PackageNotFoundError:  # for another Python than the one that asks: what it needs is for that one, too
        return
    linux = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "implementation_name": "cpython"}
    for requirement in told:
        marker = Requirement(requirement).marker
        worlds = (
            {**linux, "python_version": python, "python_full_version": f"{python}.0", "extra": extra}
            for python in PYTHONS
            for extra in ("", *extras)
        )
        if marker is None or any(marker.evaluate(world) for world in worlds):
            yield requirement.split(";")[0]


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.stdout.write(selected(sys.argv[1], LOCK.read_text("utf-8"), IMAGES.read_text("utf-8")))
    else:
        IMAGES.write_text(written(LOCK.read_text("utf-8"), PROJECT.read_text("utf-8")), "utf-8")
