"""The node: the kubelet, which runs pods, and kube-proxy, which makes Services reach them."""

from pathlib import Path
from typing import Any

from tests.cluster.addresses import DNS, DOMAIN, KUBELET_PORT, NODE, NODE_NAME, PODS
from tests.cluster.build_tools import build
from tests.cluster.certificates import AUTHORITY, certificate, key
from tests.cluster.flags import flags
from tests.cluster.place import Place


def kubelet_config(place: Place) -> dict[str, Any]:
    """The kubelet's settings, for a machine with control groups of the first version and no systemd."""
    folder = place.certificates
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE,
        "port": KUBELET_PORT,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(certificate(folder, AUTHORITY))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(certificate(folder, "kubelet")),
        "tlsPrivateKeyFile": str(key(folder, "kubelet")),
        "containerRuntimeEndpoint": f"unix://{place.containerd_socket}",
        "clusterDNS": [DNS],
        "clusterDomain": DOMAIN,
        # Nothing outside this machine is resolved.
        "resolvConf": "",
        "podLogsDir": str(place.logs / "pods"),
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        # Images are loaded, never pulled: one that was collected would be gone.
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "nodeStatusUpdateFrequency": "5s",
    }


def kubelet_command(place: Place) -> list[str]:
    """How the kubelet is started."""
    told = {
        "config": place.settings / "kubelet.yaml",
        "kubeconfig": place.kubeconfigs / "kubelet",
        "root-dir": place.kubelet,
        "cert-dir": place.settings,
        "hostname-override": NODE_NAME,
        "node-ip": NODE,
    }
    return [str(build("kubelet")), *flags(told)]


def proxy_config(place: Place) -> dict[str, Any]:
    """kube-proxy's settings."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "bindAddress": NODE,
        "hostnameOverride": NODE_NAME,
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(place.kubeconfigs / "kube-proxy")},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # The limits of the machine's connection tracking are left as they are.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def proxy_command(place: Place) -> list[str]:
    """How kube-proxy is started."""
    return [str(build("kube-proxy")), f"--config={place.settings / 'kube-proxy.yaml'}"]


def forget_logs(place: Place, links: Path = Path("/var/log/containers")) -> None:
    """Removes the links that the kubelet made to its containers' logs: their place is fixed in the program."""
    for link in links.glob("*.log"):
        if link.is_symlink() and place.logs in link.readlink().parents:
            link.unlink()
