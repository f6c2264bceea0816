"""The live page's own files: part of the package, fit for a keyboard and a screen reader, and nothing that trades."""

import re
import tomllib
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tradingmesh.core.page.sections import snapshot
from tradingmesh.core.page.state import begin

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "services" / "tradingmesh" / "metrics_collector" / "page"
FILES = sorted(path.name for path in PAGE.iterdir())
SCRIPT = (PAGE / "page.js").read_text()


class Tags(HTMLParser):
    """Every tag with its attributes, and every id."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed((PAGE / "index.html").read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] or "" for _, attributes in self.tags if "id" in attributes]


def test_the_package_brings_every_file() -> None:
    """A wheel without one of them would serve half a page."""
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    declared = patterns["tradingmesh.metrics_collector"]
    assert FILES == ["curve.js", "icon.svg", "index.html", "page.css", "page.js"]
    assert [name for name in FILES if not any(fnmatch(f"page/{name}", one) for one in declared)] == []


def test_tables_have_names_and_headings() -> None:
    """A screen reader says which table it is in, and which column; what scrolls can be reached by keyboard."""
    tags = Tags()
    assert len(tags.of("table")) == 7
    for table in tags.of("table"):
        assert table["aria-labelledby"] in tags.ids
    assert {heading.get("scope") for heading in tags.of("th")} == {"col"}
    for region in [one for one in tags.of("div") if one.get("class") == "scroll"]:
        assert (region["tabindex"], region["role"]) == ("0", "region")
    assert tags.of("html")[0]["lang"] == "en"


def test_ids_are_there_once() -> None:
    """The script finds what it means, and every element that it names is there."""
    ids = Tags().ids
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'at\("([\w-]+)"\)', SCRIPT)) <= set(ids)


def test_every_section_is_rendered() -> None:
    """The script has one function for each section that is sent, and none for others."""
    rendered = re.findall(r"^  (\w+)\((?:told|points|\{[^)]*\})\) \{$", SCRIPT, re.MULTILINE)
    assert sorted(rendered) == sorted(snapshot(begin(0, "simulated")))


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_fetched_and_nothing_can_be_done(name: str) -> None:
    """No address but its own, no markup from what is told, no form, no button."""
    text = (PAGE / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|//cdn|@import|innerHTML|insertAdjacentHTML|eval\(|document\.write", text)
    assert not re.search(r"<(form|button|input|iframe)|fetch\(|XMLHttpRequest|sendBeacon", text)
    assert not re.search(r"\sstyle=|\son\w+=|<script>", text)
