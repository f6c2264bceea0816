"""etcd, the API server, the controllers and the scheduler: how each is started."""

from tests.cluster.addresses import API_PORT, ETCD, ETCD_PEERS, NODE, SERVICES
from tests.cluster.build_tools import build, etcd
from tests.cluster.certificates import AUTHORITY, SERVICE_ACCOUNTS, certificate, key
from tests.cluster.flags import flags
from tests.cluster.place import Place

CLIENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet")
"""Who has a kubeconfig of its own."""


def etcd_command(place: Place) -> list[str]:
    """The database, on loopback. It may lose what it wrote last when the machine ends: the cluster ends with it."""
    told = {
        "data-dir": place.etcd,
        "listen-client-urls": ETCD,
        "advertise-client-urls": ETCD,
        "listen-peer-urls": ETCD_PEERS,
        "initial-advertise-peer-urls": ETCD_PEERS,
        "initial-cluster": f"default={ETCD_PEERS}",
    }
    return [etcd(), *flags(told), "--unsafe-no-fsync"]


def api_server_command(place: Place) -> list[str]:
    """The API server, on the address that pods reach."""
    folder = place.certificates
    told = {
        "etcd-servers": ETCD,
        "bind-address": NODE,
        "advertise-address": NODE,
        "secure-port": API_PORT,
        "tls-cert-file": certificate(folder, "kube-apiserver"),
        "tls-private-key-file": key(folder, "kube-apiserver"),
        "client-ca-file": certificate(folder, AUTHORITY),
        "kubelet-certificate-authority": certificate(folder, AUTHORITY),
        "kubelet-client-certificate": certificate(folder, "kube-apiserver-kubelet-client"),
        "kubelet-client-key": key(folder, "kube-apiserver-kubelet-client"),
        # The node's name resolves nowhere: without this, exec and logs fail.
        "kubelet-preferred-address-types": "InternalIP",
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "service-cluster-ip-range": SERVICES,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": key(folder, SERVICE_ACCOUNTS),
        "service-account-signing-key-file": key(folder, SERVICE_ACCOUNTS),
        "allow-privileged": "false",
    }
    return [str(build("kube-apiserver")), *flags(told)]


def controller_manager_command(place: Place) -> list[str]:
    """The controllers."""
    told = {
        "kubeconfig": place.kubeconfigs / "kube-controller-manager",
        "bind-address": "127.0.0.1",
        "cert-dir": place.settings,
        "leader-elect": "false",
        "use-service-account-credentials": "true",
        "service-account-private-key-file": key(place.certificates, SERVICE_ACCOUNTS),
        "root-ca-file": certificate(place.certificates, AUTHORITY),
    }
    return [str(build("kube-controller-manager")), *flags(told)]


def scheduler_command(place: Place) -> list[str]:
    """The scheduler."""
    told = {
        "kubeconfig": place.kubeconfigs / "kube-scheduler",
        "bind-address": "127.0.0.1",
        "cert-dir": place.settings,
        "leader-elect": "false",
    }
    return [str(build("kube-scheduler")), *flags(told)]
