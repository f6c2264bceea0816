"""The version before this one: its files come from the history, and its images are made once."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster import buildah, loading, previous
from tests.cluster.place import Place


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, and a cache of its own."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "Makefile").write_text("images:\n")
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for told in (("init", "-q"), ("add", "Makefile"), (*who, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *told], cwd=repository, check=True, capture_output=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True)
    monkeypatch.setattr(previous, "CHECKOUT", repository)
    monkeypatch.setattr(previous, "COMMIT", head.stdout.strip())
    monkeypatch.setattr(previous, "cache", lambda: tmp_path / "cache" / "tools")
    return repository


def test_its_files_are_those_of_its_commit(history: Path) -> None:
    """Whatever was changed since; and once they are there, the history is not asked again."""
    (history / "Makefile").write_text("changed\n")
    source = previous.source()
    assert (source / "Makefile").read_text() == "images:\n"
    (source / "Makefile").write_text("kept\n")
    assert (previous.source() / "Makefile").read_text() == "kept\n"


def test_a_history_that_does_not_reach_back_is_named(history: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shallow clone lacks the commit; nothing half is left."""
    monkeypatch.setattr(previous, "COMMIT", "0" * 40)
    with pytest.raises(SystemExit, match=r"is commit 0{40}.*unshallow"):
        previous.source()
    assert list(history.parent.glob("cache/versions/*")) == []


@pytest.mark.parametrize(("there", "built"), [(True, False), (False, True)])
def test_its_images_are_made_once(history: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool, built: bool) -> None:
    """Of its own files and under a tag of its own, and then only loaded."""
    names = loading.wanted(previous.tag())
    made: list[tuple[str, Path]] = []
    monkeypatch.setattr(buildah, "images", lambda: dict.fromkeys(names, "id") if there else {})
    monkeypatch.setattr(loading, "build_images", lambda tag, source: made.append((tag, source)))
    monkeypatch.setattr(loading, "load", lambda _, names: list(names.values()))
    assert previous.bring(Place()) == list(names.values())
    assert made == ([(previous.tag(), previous.source())] if built else [])
    assert previous.tag() != loading.version()
    assert history != previous.source()
