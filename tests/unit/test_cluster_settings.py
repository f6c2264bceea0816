"""What the programs of a cluster are told: everything in one folder, on addresses of this machine."""

import tomllib
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from tests.cluster import able, addresses, certificates, containerd, mounts, network, node, packages, storage
from tests.cluster.build_tools import HELM, KUBERNETES, TOOLS
from tests.cluster.flags import flags
from tests.cluster.kubeconfig import kubeconfig_of, write_private
from tests.cluster.place import CHECKOUT, Place

MANIFESTS = CHECKOUT / "tests" / "cluster" / "manifests"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty one."""
    made = Place(tmp_path / "cluster")
    made.make()
    return made


def test_the_folder_is_one_that_git_ignores() -> None:
    """Nothing of a cluster is ever committed."""
    assert Place().folder.relative_to(CHECKOUT).parts[0] == "var"
    assert "var/" in (CHECKOUT / ".gitignore").read_text().split()


def test_containerd_keeps_everything_in_its_folder(place: Place) -> None:
    """Root, state, socket and what its plugins make; it lowers no score, for which a right is missing here."""
    told = tomllib.loads(containerd.config(place))
    paths = [told["root"], told["state"], told["grpc"]["address"]]
    paths += [told["plugins"]["io.containerd.internal.v1.opt"]["path"]]
    cri = told["plugins"]["io.containerd.grpc.v1.cri"]
    paths += [cri["cni"]["conf_dir"]]
    assert [path for path in paths if not path.startswith(f"{place.folder}/")] == []
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}
    assert cri["sandbox_image"] == containerd.PAUSE


def test_the_kubelet_lets_nobody_in_without_a_name(place: Place) -> None:
    """It asks the API server who may do what, and serves on the node's address only."""
    told = node.kubelet_config(place)
    assert told["authentication"]["anonymous"] == {"enabled": False}
    assert told["authorization"] == {"mode": "Webhook"}
    assert (told["address"], told["healthzBindAddress"]) == (addresses.NODE, "127.0.0.1")
    assert (told["failCgroupV1"], told["failSwapOn"], told["cgroupDriver"]) == (False, False, "cgroupfs")
    assert told["podLogsDir"].startswith(str(place.folder))


def test_the_proxy_listens_on_this_machine_only(place: Place) -> None:
    """And leaves the machine's own limits alone."""
    told = node.proxy_config(place)
    assert all(told[name].startswith("127.0.0.1:") for name in ("healthzBindAddress", "metricsBindAddress"))
    assert told["mode"] == "iptables"
    assert told["conntrack"]["maxPerCore"] == 0


def test_the_addresses_fit_together() -> None:
    """The node is among its pods, the API server is the first Service, and no two networks meet."""
    pods, services = ip_network(addresses.PODS), ip_network(addresses.SERVICES)
    assert ip_address(addresses.NODE) in pods
    assert ip_address(addresses.FIRST_SERVICE) == services[1]
    assert ip_address(addresses.DNS) in services
    assert not pods.overlaps(services)
    assert pods.is_private
    assert services.is_private


def test_pods_are_on_the_bridge(place: Place) -> None:
    """With an address of the network that the node is in, and a way back to themselves by a Service."""
    (bridge,) = network.cni_config(place)["plugins"]
    assert (bridge["type"], bridge["bridge"], bridge["hairpinMode"]) == ("bridge", addresses.BRIDGE, True)
    assert bridge["ipam"]["ranges"] == [[{"subnet": addresses.PODS}]]
    assert bridge["ipam"]["dataDir"].startswith(str(place.folder))
    assert len(addresses.BRIDGE) <= 15


def test_only_our_rules_are_taken_away() -> None:
    """Chains of Kubernetes and what leads to them go, a person's own stay."""
    saved = (
        "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\n"
        "-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
    )
    kept = "*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080\nCOMMIT\n"
    assert network.without_ours(saved) == kept
    assert network.without_ours(kept) == kept


def test_a_volume_is_a_folder_of_this_node(place: Place) -> None:
    """Each has its own, and claims that name no class get one."""
    items = storage.shelf(place, ["volume-00", "volume-01"])["items"]
    assert items[0]["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    paths = [item["spec"]["local"]["path"] for item in items[1:]]
    assert paths == [str(place.volumes / name) for name in ("volume-00", "volume-01")]
    assert all(Path(path).is_dir() for path in paths)
    assert all(item["spec"]["storageClassName"] == items[0]["metadata"]["name"] for item in items[1:])
    assert len(set(storage.names())) == storage.VOLUMES


def test_only_volumes_without_a_claim_are_emptied(place: Place) -> None:
    """Those that are let go; neither what is bound nor what was never taken."""
    phases = {"volume-00": "Released", "volume-01": "Bound", "volume-02": "Available"}
    found = [{"metadata": {"name": name}, "status": {"phase": phase}} for name, phase in phases.items()]
    assert storage.let_go(found) == ["volume-00"]
    left = place.volumes / "volume-00" / "journal.db"
    left.parent.mkdir()
    left.write_text("of another")
    storage.empty(place, "volume-00")
    assert not left.exists()


def test_mounts_are_undone_from_the_inside_out() -> None:
    """Those of this folder and no other, a folder whose name begins alike included."""
    line = "36 35 98:0 / {} rw,noatime master:1 - ext4 /dev/root rw"
    points = ["/a/cluster/pods/1/vol", "/a/cluster/pods/1/vol/sub", "/a/cluster2/x", "/", "/a/cluster/with\\040space"]
    assert mounts.below(Path("/a/cluster"), "\n".join(map(line.format, points))) == [
        "/a/cluster/pods/1/vol/sub",
        "/a/cluster/pods/1/vol",
        "/a/cluster/with space",
    ]


def test_only_links_to_our_logs_are_removed(place: Place, tmp_path: Path) -> None:
    """Another kubelet's containers keep theirs."""
    links = tmp_path / "containers"
    links.mkdir()
    (links / "ours.log").symlink_to(place.logs / "pods" / "coredns" / "0.log")
    (links / "theirs.log").symlink_to(tmp_path / "elsewhere" / "0.log")
    node.forget_logs(place, links)
    assert [link.name for link in links.iterdir()] == ["theirs.log"]


def test_a_machine_is_told_what_it_lacks() -> None:
    """In words, with what helps."""
    found = {"only root may start containers": False, "the kernel has no overlay file system": True}
    assert able.problems(found) == ["only root may start containers"]
    told = able.refuse(able.problems(found))
    assert "only root may start containers" in told
    assert "CLUSTER=kind" in told
    assert able.problems(dict.fromkeys(able.facts(), True)) == []


def test_a_certificate_says_who_its_holder_is(place: Place) -> None:
    """User and group as Kubernetes reads them, and the addresses of one that serves."""
    kubelet = certificates.request(place.certificates, "kubelet", certificates.IDENTITIES["kubelet"])
    assert f"/O=system:nodes/CN=system:node:{addresses.NODE_NAME}" in kubelet
    assert f"subjectAltName=IP:{addresses.NODE},DNS:{addresses.NODE_NAME}" in kubelet
    scheduler = certificates.request(place.certificates, "kube-scheduler", certificates.IDENTITIES["kube-scheduler"])
    assert "/CN=system:kube-scheduler" in scheduler
    assert not any(argument.startswith("subjectAltName") for argument in scheduler)
    served = certificates.IDENTITIES["kube-apiserver"].addresses
    assert {f"IP:{addresses.NODE}", f"IP:{addresses.FIRST_SERVICE}"} <= set(served)


def test_a_kubeconfig_has_everything_in_it(place: Place) -> None:
    """So it may be copied anywhere; nobody but its owner reads it."""
    for name in ("ca", "admin"):
        certificates.certificate(place.certificates, name).write_text(f"certificate of {name}")
        certificates.key(place.certificates, name).write_text(f"key of {name}")
    text = kubeconfig_of(place.certificates, "admin")
    assert str(place.folder) not in text
    assert yaml.safe_load(text)["clusters"][0]["cluster"]["server"] == addresses.API
    write_private(place.kubeconfig, text)
    assert place.kubeconfig.stat().st_mode & 0o777 == 0o600


def test_what_is_missing_is_named_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing may be installed, a person is told what to install."""
    monkeypatch.setattr("shutil.which", lambda program: None if program in ("runc", "apt-get") else f"/bin/{program}")
    assert packages.missing(["containerd", "runc"]) == ["runc"]
    with pytest.raises(SystemExit, match="apt-get install runc"):
        packages.need("containerd", "runc")


def test_helm_is_of_one_version_everywhere() -> None:
    """What the Dockerfile says is what the tests build."""
    assert f"ARG HELM_VERSION={HELM.removeprefix('v')}\n" in (CHECKOUT / "Dockerfile").read_text()
    assert TOOLS["helm"].version == HELM
    others = [CHECKOUT / "Makefile", CHECKOUT / "tests" / "cluster" / "build_tools.py"]
    assert [path for path in others if HELM.removeprefix("v") in path.read_text()] == []


def test_names_are_resolved_where_the_kubelet_says() -> None:
    """The address of the Service is the one in every pod's resolv.conf, and the image the one that is loaded."""
    documents = list(yaml.safe_load_all((MANIFESTS / "dns.yaml").read_text()))
    (service,) = [one for one in documents if one["kind"] == "Service"]
    assert service["spec"]["clusterIP"] == addresses.DNS
    (deployment,) = [one for one in documents if one["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("localhost/tradingmesh/coredns:1", "Never")


def test_every_program_of_the_control_plane_is_of_one_version() -> None:
    """Kubernetes' own come from one module."""
    assert {tool.version for name, tool in TOOLS.items() if name.startswith("kube")} == {KUBERNETES}


def test_flags_are_written_as_programs_read_them() -> None:
    """One each, with its value."""
    assert flags({"bind-address": "127.0.0.1", "secure-port": 6443}) == [
        "--bind-address=127.0.0.1",
        "--secure-port=6443",
    ]
