"""What programs write in the charts is current, and what hands write nine times is the same nine times."""

import re
import shutil
from pathlib import Path

import pytest

from tests.charts.rendering import APPLICATIONS, CHARTS, LIBRARY
from tests.cluster.build_tools import build
from tradingmesh.contract import CHANNELS, Channel, Component
from tradingmesh_operator.charts.channels import PORT_NAMES, channels_template
from tradingmesh_operator.charts.readmes import write_readmes
from tradingmesh_operator.charts.schemas import component_schema
from tradingmesh_operator.charts.written import written

DIFFERS = {"resources", "replicas", "topologySpread", "persistence", "startupTimeoutSeconds"} | {
    "terminationGracePeriodSeconds"
}
"""What a component says for itself; every other value is the same in all, and so are its words."""


def test_generated_files_are_current() -> None:
    """`make charts` would change nothing."""
    stale = [str(path.relative_to(CHARTS)) for path, text in written(CHARTS).items() if path.read_text() != text]
    assert stale == []
    assert len(written(CHARTS)) == len(APPLICATIONS) + 3


def test_a_new_channel_shows_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table follows the contract: another port is another table."""
    before = channels_template()
    monkeypatch.setitem(CHANNELS, Channel.FILLS, CHANNELS[Channel.FILLS]._replace(port=7777))
    assert channels_template() == before.replace("port: 5557", "port: 7777") != before


def test_names_of_ports_are_names_to_kubernetes() -> None:
    """At most 15 characters with the prefix, and no two alike."""
    names = [f"tcp-zmq-{name}" for name in PORT_NAMES.values()]
    assert set(PORT_NAMES) == set(Channel)
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) and len(name) <= 15 for name in names)


def test_readmes_are_current(tmp_path: Path) -> None:
    """helm-docs, from the values as they are, writes what is there."""
    shutil.copytree(CHARTS, tmp_path, ignore=shutil.ignore_patterns("charts", "README.md"), dirs_exist_ok=True)
    write_readmes(build("helm-docs"), tmp_path)
    stale = [one for one in (*APPLICATIONS, LIBRARY) if readme(CHARTS, one) != readme(tmp_path, one)]
    assert stale == []


def test_what_helm_docs_says_is_not_lost(tmp_path: Path) -> None:
    """A chart that it cannot read is an error with its words."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "Chart.yaml").write_text("name: [")
    (tmp_path / "README.md.gotmpl").write_text("")
    with pytest.raises(RuntimeError, match="broken"):
        write_readmes(build("helm-docs"), tmp_path)


def readme(charts: Path, name: str) -> str:
    return (charts / name / "README.md").read_text()


@pytest.mark.parametrize("name", APPLICATIONS)
def test_every_value_is_explained(name: str) -> None:
    """No row of the README's table is without words."""
    rows = re.findall(r"^\| (\S+) \| \w+ \| .* \| (.*) \|$", readme(CHARTS, name), re.MULTILINE)
    assert len(rows) >= 20
    assert [key for key, words in rows if not words.strip()] == []


def test_components_have_their_values_in_common() -> None:
    """What several charts say, they say in the same words."""
    texts = {component: blocks((CHARTS / component / "values.yaml").read_text()) for component in Component}
    for component, own in texts.items():
        common = {key: text for key, text in own.items() if key not in DIFFERS}
        usual = {key: text for key, text in texts[Component.FEATURE_ENGINE].items() if key not in DIFFERS}
        assert common == usual, component


def blocks(text: str) -> dict[str, str]:
    """Each value at the top level with its comment."""
    found = re.split(r"^(?=# -- |global:)", text, flags=re.MULTILINE)
    keyed = [(re.search(r"^(\w+):", block, re.MULTILINE), block) for block in found]
    return {key[1]: block for key, block in keyed if key}


def test_a_value_without_a_schema_is_noticed() -> None:
    """Whoever adds a value says what it may be."""
    with pytest.raises(KeyError, match="novelty"):
        component_schema({"replicas": 1, "novelty": True, "global": {}})
