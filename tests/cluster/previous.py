"""The version before this one, made from the repository's own history: nothing was released that could be pulled.

The commit is the oldest whose files both this version and that one read: it may be gone back to. Move it on when the
journal's format, the outbox's or the wire's changes, and to the last release's tag once there is one.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path

from tests.cluster import buildah, loading
from tests.cluster.build_tools import cache
from tests.cluster.place import CHECKOUT, Place

COMMIT = "52846d226fda7d18773c07c0ab9517164a530aaa"
_SHORT = 7


def tag() -> str:
    """Of its images."""
    return f"{loading.version()}-{COMMIT[:_SHORT]}"


def source() -> Path:
    """Its files, charts and all, once a machine. Raises `SystemExit` where the history does not reach back to it."""
    folder = cache().parent / "versions" / COMMIT
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    archive = folder.with_suffix(".tar")
    told = ["git", "archive", "--output", str(archive), COMMIT]
    done = subprocess.run(told, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        archive.unlink(missing_ok=True)
        raise SystemExit(
            f"the version before this one is commit {COMMIT}: {done.stderr.strip()} (git fetch --unshallow)"
        )
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(unfinished, filter="data")
    archive.unlink()
    unfinished.rename(folder)
    return folder


def bring(place: Place) -> list[str]:
    """Builds its images where they were not built yet, and brings them into the cluster. Returns what was brought."""
    names = loading.wanted(tag())
    if not names.keys() <= buildah.images().keys():
        loading.build_images(tag(), source())
    return loading.load(place, names)
