"""Images for a cluster: which there are, what they are called there, and when layers are let go of."""

import pytest

from tests.cluster import base_images, buildah, containerd, loading
from tests.cluster.build_tools import HELM
from tests.cluster.place import CHECKOUT, Place
from tradingmesh.contract import Component


def test_there_is_one_for_each_component_and_the_operator() -> None:
    """As requirements/images.txt has them, without what builds them."""
    assert sorted(loading.components()) == sorted([*Component, "operator"])


def test_containerd_knows_them_by_their_whole_names() -> None:
    """A pod's `tradingmesh/risk-manager:1` is `docker.io/tradingmesh/risk-manager:1` there."""
    wanted = loading.wanted("1")
    assert wanted["localhost/tradingmesh/risk-manager:1"] == "docker.io/tradingmesh/risk-manager:1"
    assert len(wanted) == len(loading.components())


def test_the_tag_is_the_programs_version() -> None:
    """The same as make gives them, and the charts ask for."""
    assert f'version = "{loading.version()}"' in (CHECKOUT / "pyproject.toml").read_text()
    chart = (CHECKOUT / "charts" / "tradingmesh-operator" / "Chart.yaml").read_text()
    assert f'appVersion: "{loading.version()}"' in chart


def test_what_was_not_built_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that builds it."""
    monkeypatch.setattr(buildah, "images", lambda: {"localhost/tradingmesh/operator:1": "id"})
    with pytest.raises(SystemExit, match=r"risk-manager:1.*tests.cluster images"):
        loading.load(Place(), {"localhost/tradingmesh/risk-manager:1": "docker.io/tradingmesh/risk-manager:1"})


@pytest.mark.parametrize(("layers", "pruned"), [(buildah.LAYERS_MAX, False), (buildah.LAYERS_MAX + 1, True)])
def test_layers_are_let_go_of_once_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch, layers: int, *, pruned: bool
) -> None:
    """Not sooner, for they are what makes the next build short."""
    asked: list[tuple[str, ...]] = []

    def answer(*arguments: str) -> str:
        asked.append(arguments)
        return "id\n" * layers

    monkeypatch.setattr(buildah, "buildah", answer)
    assert buildah.tidy() is pruned
    assert (("rmi", "--prune") in asked) is pruned


def test_a_build_trusts_what_the_machine_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificates are mounted, read-only; layers are kept."""
    monkeypatch.setenv("SSL_CERT_DIR", "/somewhere/certs")
    told = buildah.make_variables()
    assert f"/somewhere/certs:{buildah.CERTIFICATES}:ro" in told["BUILD_FLAGS"]
    assert "--layers" in told["BUILD_FLAGS"]
    assert str(buildah.store()) in told["BUILDER"]


def test_the_store_is_outside_the_checkout() -> None:
    """It is many times as large."""
    assert CHECKOUT not in buildah.store().parents


def test_base_images_are_named_by_what_is_in_them() -> None:
    """Another version is another image, so that none is taken for the other."""
    assert base_images.HELM_IMAGE.endswith(HELM.removeprefix("v"))
    assert base_images.PYTHON.endswith(base_images.SUITE)
    assert containerd.PAUSE.startswith("localhost/")
