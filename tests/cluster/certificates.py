"""Who is who in the cluster: one authority, and a certificate for each program, as openssl makes them."""

import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.cluster.addresses import DOMAIN, FIRST_SERVICE, NODE, NODE_NAME

AUTHORITY = "ca"
SERVICE_ACCOUNTS = "service-accounts"
_DAYS = "3650"
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")


class Identity(NamedTuple):
    """What a certificate says of its holder. Kubernetes reads the user from `name`, the groups from `group`."""

    name: str
    group: str = ""
    addresses: tuple[str, ...] = ()
    """`IP:` and `DNS:`, for one that serves."""

    @property
    def subject(self) -> str:
        """As openssl takes it."""
        return (f"/O={self.group}" if self.group else "") + f"/CN={self.name}"


_API_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{DOMAIN}")

IDENTITIES = {
    "kube-apiserver": Identity(
        "kube-apiserver",
        addresses=(f"IP:{NODE}", f"IP:{FIRST_SERVICE}", "IP:127.0.0.1", *(f"DNS:{name}" for name in _API_NAMES)),
    ),
    "kube-apiserver-kubelet-client": Identity("kube-apiserver-kubelet-client", "system:masters"),
    "admin": Identity("admin", "system:masters"),
    "kube-controller-manager": Identity("system:kube-controller-manager"),
    "kube-scheduler": Identity("system:kube-scheduler"),
    "kube-proxy": Identity("system:kube-proxy"),
    "kubelet": Identity(f"system:node:{NODE_NAME}", "system:nodes", (f"IP:{NODE}", f"DNS:{NODE_NAME}")),
}


def certificate(folder: Path, name: str) -> Path:
    """Where that certificate is."""
    return folder / f"{name}.crt"


def key(folder: Path, name: str) -> Path:
    """Where its key is."""
    return folder / f"{name}.key"


def make_all(folder: Path) -> None:
    """Makes what is not there yet. Raises `CalledProcessError` where openssl cannot."""
    if not certificate(folder, AUTHORITY).exists():
        _openssl("req", "-x509", *_CURVE, "-days", _DAYS, "-subj", "/CN=tradingmesh tests", *_out(folder, AUTHORITY))
    if not key(folder, SERVICE_ACCOUNTS).exists():
        _openssl("genrsa", "-out", str(key(folder, SERVICE_ACCOUNTS)), "2048")
    for name, identity in IDENTITIES.items():
        if not certificate(folder, name).exists():
            _openssl(*request(folder, name, identity))


def request(folder: Path, name: str, identity: Identity) -> list[str]:
    """The arguments by which openssl makes that certificate, signed by the authority."""
    usage = ["extendedKeyUsage=clientAuth,serverAuth", "basicConstraints=critical,CA:FALSE"]
    if identity.addresses:
        usage.append(f"subjectAltName={','.join(identity.addresses)}")
    signed_by = ["-CA", str(certificate(folder, AUTHORITY)), "-CAkey", str(key(folder, AUTHORITY))]
    said = [argument for one in usage for argument in ("-addext", one)]
    return ["req", "-x509", *signed_by, *_CURVE, "-days", _DAYS, "-subj", identity.subject, *said, *_out(folder, name)]


def _out(folder: Path, name: str) -> list[str]:
    return ["-keyout", str(key(folder, name)), "-out", str(certificate(folder, name))]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
