"""The mounted manifest while a component runs: what it acknowledges, what waits for a restart, what it refuses."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import yaml

from tradingmesh.contract import Component, parts_of
from tradingmesh.runtime.manifest_file import ManifestFile
from tradingmesh.runtime.settings import load_manifest
from tradingmesh.telemetry.metrics import Metrics


class ConfigMapVolume:
    """A folder as the kubelet keeps it: `system.yaml` is a link to `..data/system.yaml`, `..data` one to the newest."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writes = 0
        self.file = folder / "system.yaml"
        self.file.symlink_to("..data/system.yaml")

    def write(self, generation: int, **spec: Any) -> None:
        """A new folder with the new files, then `..data` is replaced by a rename, and the old folder removed."""
        self._writes += 1
        fresh, data, link = f"..{self._writes}", self._folder / "..data", self._folder / "..data_tmp"
        old = data.resolve() if data.is_symlink() else None
        (self._folder / fresh).mkdir()
        head = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem"}
        metadata = {"name": "demo", "generation": generation}
        content = {**head, "metadata": metadata, "spec": {"symbols": ["IBM"], **spec}}
        (self._folder / fresh / "system.yaml").write_text(yaml.safe_dump(content))
        os.utime(self._folder / fresh / "system.yaml", ns=(1, 1))  # a clock that is coarse must not hide a change
        link.symlink_to(fresh)
        link.rename(data)
        for path in (old / "system.yaml", old) if old else ():
            path.rmdir() if path.is_dir() else path.unlink()


Started = Callable[..., ManifestFile]


@pytest.fixture
def volume(tmp_path: Path) -> ConfigMapVolume:
    """A mounted ConfigMap with generation 1."""
    made = ConfigMapVolume(tmp_path)
    made.write(1)
    return made


@pytest.fixture
def started(volume: ConfigMapVolume) -> Started:
    """`started(component)`: what that component has in force once it has read its file."""

    def start(component: Component = Component.RISK_MANAGER) -> ManifestFile:
        system = load_manifest(volume.file)
        metrics, log = Metrics(), structlog.get_logger()
        return ManifestFile(volume.file, component, system.spec, system.metadata.generation, metrics, log)

    return start


def _told(manifest: ManifestFile) -> tuple[Any, ...]:
    told = manifest.told()
    return tuple(told[name] for name in ("generation", "observedGeneration", "pending", "problem"))


@pytest.mark.parametrize("component", Component)
def test_a_limit_is_acknowledged_by_everybody(component: Component, volume: ConfigMapVolume, started: Started) -> None:
    """Who does not use what changed has nothing to do, and says so."""
    manifest = started(component)
    volume.write(2, trading="Halted", riskLimits={"maxOrderQuantity": 5})
    assert _told(manifest) == (1, 1, [], "")
    manifest.look()
    assert _told(manifest) == (2, 2, [], "")
    assert manifest.told()["spec"]["riskLimits"]["maxOrderQuantity"] == "5"


@pytest.mark.parametrize("component", Component)
def test_a_part_read_at_the_start_waits_for_a_restart(
    component: Component, volume: ConfigMapVolume, started: Started
) -> None:
    """Who uses the port does not acknowledge it until it is put back, or the component starts again."""
    manifest = started(component)
    uses = "endpoints.fills" in parts_of(component)
    assert uses == (component in {Component.EXECUTION_ENGINE, Component.FILL_PROCESSOR})
    volume.write(2, endpoints={"fills": {"port": 7000}})
    manifest.look()
    assert _told(manifest) == ((1, 2, ["endpoints.fills"], "") if uses else (2, 2, [], ""))
    again = started(component)
    assert _told(again) == (2, 2, [], "")
    volume.write(3)
    manifest.look()
    assert _told(manifest) == (3, 3, [], "")


def test_limits_are_taken_although_a_port_waits(volume: ConfigMapVolume, started: Started) -> None:
    """A halt must not wait for a restart; what is told to be in force is what is."""
    manifest = started()
    taken: list[Any] = []
    manifest.takes(lambda spec, generation: taken.append((spec.trading, generation)))
    volume.write(2, trading="Halted", endpoints={"control": {"port": 7000}})
    manifest.look()
    assert taken == [("Halted", 2)]
    spec = manifest.told()["spec"]
    assert (spec["trading"], spec["endpoints"]["control"]["port"]) == ("Halted", 5563)
    assert _told(manifest) == (1, 2, ["endpoints.control"], "")


def test_a_part_that_is_put_in_another_way_is_no_change(volume: ConfigMapVolume, started: Started) -> None:
    """A default that is written out restarts nobody."""
    manifest = started()
    volume.write(2, mode="simulated", endpoints={"riskCheck": {"port": 5556, "timeout": "1000ms"}})
    manifest.look()
    assert _told(manifest) == (2, 2, [], "")


def test_a_wrong_manifest_changes_nothing(volume: ConfigMapVolume, started: Started) -> None:
    """The one before holds until there is a right one; the field is named."""
    manifest = started()
    taken: list[Any] = []
    manifest.takes(lambda *told: taken.append(told))
    volume.write(2, riskLimits={"maxOrderQuantity": 9, "maxPositionQuantity": 5}, trading="Halted")
    manifest.look()
    assert _told(manifest)[:3] == (1, 1, [])
    assert "spec.riskLimits: maxOrderQuantity 9 is above maxPositionQuantity 5" in manifest.problem
    assert (taken, manifest.told()["spec"]["trading"]) == ([], "Active")
    volume.write(3)
    manifest.look()
    assert _told(manifest) == (3, 3, [], "")


def test_a_file_that_is_gone_is_told_of(volume: ConfigMapVolume, started: Started) -> None:
    """Somebody deleted the ConfigMap: what is in force stays, and the same file again is well again."""
    manifest = started()
    text = volume.file.read_text()
    volume.file.unlink()
    manifest.look()
    assert manifest.problem.endswith("system.yaml: No such file or directory")
    volume.file.write_text(text)
    manifest.look()
    assert _told(manifest) == (1, 1, [], "")


def test_it_is_read_once(volume: ConfigMapVolume, started: Started) -> None:
    """A file that is as it was is not read again, whatever was wrong with it."""
    manifest = started()
    taken: list[Any] = []
    manifest.takes(lambda *told: taken.append(told))
    volume.write(2)
    for _ in range(3):
        manifest.look()
    assert len(taken) == 1
