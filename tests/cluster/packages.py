"""Programs that come with the system: installed where we may, or named for whoever may."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

DEBIAN = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "openssl": "openssl",
    "buildah": "buildah",
    "debootstrap": "debootstrap",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "chromium": "chromium",
    "chromedriver": "chromium-driver",
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf": "fonts-dejavu-core",
}
"""The package that each program, or file, is in."""
CLUSTER = ("etcd", "containerd", "runc", "/usr/lib/cni/bridge", "iptables", "conntrack", "ip", "openssl")
IMAGES = ("buildah", "debootstrap")


def missing(programs: Iterable[str]) -> list[str]:
    """The packages of those that are not there."""
    return sorted({DEBIAN[program] for program in programs if not _there(program)})


def need(*programs: str) -> None:
    """Installs what is missing, as root on Debian. Raises `SystemExit` saying what to install anywhere else."""
    packages = missing(programs)
    if not packages:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=sys.stderr)
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        subprocess.run(install, check=True, env=quiet, stdout=sys.stderr)
    if lacking := missing(programs):
        raise SystemExit(f"missing: {', '.join(lacking)} (Debian: apt-get install {' '.join(lacking)})")


def _there(program: str) -> bool:
    return Path(program).exists() if program.startswith("/") else shutil.which(program) is not None
