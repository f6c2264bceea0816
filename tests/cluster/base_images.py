"""The images that a registry would have: Python's for components, helm's for the operator, the cluster's own two."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.cluster.build_tools import HELM, build
from tests.cluster.buildah import build_from, images, store
from tests.cluster.containerd import PAUSE
from tests.cluster.packages import need

SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
PYTHON = f"localhost/tradingmesh-base/python:{SUITE}"
HELM_IMAGE = f"localhost/tradingmesh-base/helm:{HELM.removeprefix('v')}"
COREDNS = "localhost/tradingmesh/coredns:1"
_PAUSE_SOURCE = """
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Holds a pod's namespaces, and takes in the processes that nobody waits for. */
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0) {} }

int main(void) {
    signal(SIGINT, end);
    signal(SIGTERM, end);
    signal(SIGCHLD, reap);
    for (;;) pause();
}
"""


def make_python() -> str:
    """A Debian with Python and nothing else. Returns its name."""
    if PYTHON in images():
        return PYTHON
    need("debootstrap")
    archive = store() / f"{SUITE}.tar"
    if not archive.exists():
        _bootstrap(archive)
    context = archive.parent / "base"
    context.mkdir(exist_ok=True)
    shutil.copy(archive, context / "base.tar")
    build_from(context, 'FROM scratch\nADD base.tar /\nCMD ["python3"]\n', PYTHON)
    shutil.rmtree(context)
    return PYTHON


def make_helm() -> str:
    """Helm at the place where the usual image has it. Returns its name."""
    return _of_program(build("helm"), "/usr/bin/helm", HELM_IMAGE)


def make_coredns() -> str:
    """CoreDNS. Returns its name."""
    return _of_program(build("coredns"), "/coredns", COREDNS)


def make_pause() -> str:
    """The sandbox of every pod. Returns its name."""
    if PAUSE in images():
        return PAUSE
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "pause.c")
        source.write_text(_PAUSE_SOURCE)
        subprocess.run(["cc", "-static", "-Os", "-o", f"{folder}/pause", str(source)], check=True, timeout=60)
        build_from(Path(folder), 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n', PAUSE)
    return PAUSE


def _of_program(program: Path, place: str, name: str) -> str:
    if name in images():
        return name
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(program, folder)
        build_from(Path(folder), f'FROM scratch\nCOPY {program.name} {place}\nENTRYPOINT ["{place}"]\n', name)
    return name


def _bootstrap(archive: Path) -> None:
    """Unpacks Debian's packages into a folder, and makes an archive of it."""
    print("making a base image of Debian's packages: about 60 s, once", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        root = Path(folder, "root")
        make = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", SUITE, str(root)]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, timeout=600)
        shutil.rmtree(root / "var/cache/apt", ignore_errors=True)
        shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)
        unfinished = archive.with_suffix(f".{os.getpid()}")
        pack = ["tar", "--directory", str(root), "--exclude", "./dev/*", "--create", "--file", str(unfinished), "."]
        subprocess.run(pack, check=True, timeout=300)
        unfinished.replace(archive)
