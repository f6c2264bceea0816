"""What is rendered, as it was when somebody last looked at it. `make charts` writes these files anew.

The demo and the operator stand there whole; of every other sample only the lines by which it differs from the demo,
hashes aside.
"""

import difflib
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts.rendering import OPERATOR, UMBRELLA, Object, render, samples, system_values

GOLDENS = Path(__file__).parent / "goldens"
OPERATORS: dict[str, Object] = {
    "operator": {"installCRD": False},
    "operator-of-one-namespace": {
        "installCRD": False,
        "watchNamespaces": ["desk"],
        "keda": True,
        "monitoring": {"podMonitor": True},
    },
}
BASE = "demo"
WHOLE = [BASE, *OPERATORS]
DIFFERING = [name for name in samples() if name != BASE]
FILES = {**{name: f"{name}.yaml" for name in WHOLE}, **{name: f"{name}.diff" for name in DIFFERING}}


class Compact(yaml.CSafeDumper):
    """What has no inner parts stands on one line, so that a golden is short enough to be read."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the shape that yaml gives it
        return True


def golden(name: str) -> str:
    if name in OPERATORS:
        return text_of(render(OPERATOR, OPERATORS[name], release="operator"))
    if name == BASE:
        return system_text(BASE)
    base, own = (re.sub(r"(config-hash: )\w+", r"\1...", system_text(one)).splitlines() for one in (BASE, name))
    lines = difflib.unified_diff(base, own, BASE, name, n=0, lineterm="")
    return "\n".join(line for line in lines if not line.startswith("@@")) + "\n"


def system_text(name: str) -> str:
    """Everything of a sample but its manifest, which is the sample; under one name, so that names do not differ."""
    values = system_values(samples()[name])
    values["global"]["system"]["name"] = BASE
    return text_of([one for one in render(UMBRELLA, values, release=BASE) if one["kind"] != "ConfigMap"])


def text_of(objects: list[Object]) -> str:
    ordered = sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"]))
    options: Any = {"sort_keys": False, "width": 140, "default_flow_style": None}
    return "---\n".join(yaml.dump(one, Dumper=Compact, **options) for one in ordered)


@pytest.mark.parametrize("name", FILES)
def test_it_renders_as_before(name: str) -> None:
    """A change of the charts shows as a change here, for whoever reviews it."""
    path, found = GOLDENS / FILES[name], golden(name)
    if os.environ.get("UPDATE_GOLDENS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    kept = path.read_text() if path.exists() else ""
    changes = list(difflib.unified_diff(kept.splitlines(), found.splitlines(), path.name, "rendered", n=1))
    assert changes == [], "`make charts` writes it anew"


def test_no_golden_is_left_over() -> None:
    """Each belongs to a sample that is there."""
    if os.environ.get("UPDATE_GOLDENS"):
        for path in GOLDENS.iterdir():
            if path.name not in FILES.values():
                path.unlink()
    assert {path.name for path in GOLDENS.iterdir()} == set(FILES.values())
