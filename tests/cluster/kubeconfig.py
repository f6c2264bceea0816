"""Files by which programs find the API server and say who they are."""

from base64 import b64encode
from pathlib import Path

import yaml

from tests.cluster.addresses import API
from tests.cluster.certificates import AUTHORITY, certificate, key


def kubeconfig_of(certificates: Path, name: str) -> str:
    """The kubeconfig of who has that certificate. Everything is in it, so that it may be copied anywhere."""
    cluster = {"server": API, "certificate-authority-data": _encoded(certificate(certificates, AUTHORITY))}
    user = {
        "client-certificate-data": _encoded(certificate(certificates, name)),
        "client-key-data": _encoded(key(certificates, name)),
    }
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tradingmesh", "cluster": cluster}],
            "users": [{"name": name, "user": user}],
            "contexts": [{"name": "tradingmesh", "context": {"cluster": "tradingmesh", "user": name}}],
            "current-context": "tradingmesh",
        }
    )


def write_private(path: Path, content: str) -> None:
    """Writes what nobody else may read."""
    path.touch(mode=0o600)
    path.write_text(content)


def _encoded(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()
