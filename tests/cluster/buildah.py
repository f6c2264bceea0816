"""Makes images without a registry and without a daemon, in a store of its own outside the checkout.

Layers are kept there, so that what has not changed is not built again, and all images share their base.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cluster.build_tools import cache
from tests.cluster.packages import need

CERTIFICATES = "/etc/ssl/certs"
LAYERS_MAX = 600
"""Some 18 GB. A build of everything after a change of the program leaves a hundred."""


def store() -> Path:
    """Where images and layers are."""
    return cache().parent / "images"


def command() -> list[str]:
    """Buildah with its store."""
    folder = store()
    folder.mkdir(parents=True, exist_ok=True)
    places = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
    return ["buildah", *places, "--storage-driver", "overlay"]


def buildah(*arguments: str, timeout_s: float = 600.0) -> str:
    """Runs it and returns what it printed. Raises `CalledProcessError`; what went wrong is on stderr."""
    need("buildah")
    asked = [*command(), *arguments]
    done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, timeout=timeout_s)
    return done.stdout


def images() -> dict[str, str]:
    """The id of each image that is there, by its name."""
    listed = buildah("images", "--no-trunc", "--format", "{{.Name}}:{{.Tag}} {{.ID}}").splitlines()
    return dict(line.split(" ", 1) for line in listed)


def tidy() -> bool:
    """Lets go of layers that no image has, once there are too many: the next build makes some anew. Says if it did."""
    if len(buildah("images", "--all", "--quiet").split()) <= LAYERS_MAX:
        return False
    buildah("rmi", "--prune")
    return True


def build_from(context: Path, dockerfile: str, name: str) -> None:
    """Builds a Dockerfile's text. A layer that is there already is taken."""
    file = context / "Dockerfile"
    file.write_text(dockerfile)
    buildah("build", "--isolation", "chroot", "--layers", "--tag", name, "--file", str(file), str(context))


def make_variables() -> dict[str, str]:
    """What `make images` is told, so that it builds here.

    A build trusts the package index that this machine trusts: by the same certificates.
    """
    certificates = os.environ.get("SSL_CERT_DIR", CERTIFICATES)
    flags = ["--isolation", "chroot", "--layers", "--volume", f"{certificates}:{CERTIFICATES}:ro"]
    return {"BUILDER": shlex.join(command()), "BUILD_FLAGS": shlex.join(flags)}
