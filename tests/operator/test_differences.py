"""What counts as a difference between what is wanted and what is there."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.charts.rendering import render, system_values
from tests.operator.given import manifest
from tradingmesh_operator.differences import differences

_LEAF = st.text(min_size=1, max_size=5) | st.integers(1, 99) | st.booleans()
_KEY = st.text("abcdefgh", min_size=1, max_size=3)
_OBJECT = st.recursive(
    _LEAF, lambda inner: st.dictionaries(_KEY, inner, min_size=1) | st.lists(inner, min_size=1), max_leaves=8
)


@given(_OBJECT)
def test_nothing_differs_from_itself(wanted: Any) -> None:
    """Whatever its shape."""
    assert list(differences(wanted, copy.deepcopy(wanted))) == []


@given(st.dictionaries(_KEY, _OBJECT, min_size=1), _KEY, _OBJECT)
def test_what_is_added_is_no_difference(wanted: dict[str, Any], name: str, more: Any) -> None:
    """The server fills in defaults, and others add what is theirs."""
    assert list(differences(wanted, {name: more, **wanted})) == []


@given(st.dictionaries(_KEY, _OBJECT, min_size=1), st.data())
def test_what_is_missing_is_a_difference(wanted: dict[str, Any], data: st.DataObject) -> None:
    """And it is named; but for what means nothing anyway."""
    name = data.draw(st.sampled_from(sorted(wanted)))
    live = {other: value for other, value in wanted.items() if other != name}
    expected = [name] if _says(wanted[name]) else []
    assert [path.split(".")[0].split("[")[0] for path, _ in differences(wanted, live)][:1] == expected


def _says(value: Any) -> bool:
    """Nothing and False are the same to a server that leaves out what is a default."""
    if isinstance(value, dict):
        return any(_says(inner) for inner in value.values())
    return value is not False


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ({"data": {}}, {}),
        ({"flag": False, "text": ""}, {}),
        ({"list": []}, {"list": None}),
        ([{"name": "a", "value": 1}], [{"name": "b"}, {"name": "a", "value": 1, "more": 2}]),
    ],
)
def test_another_spelling_is_no_difference(wanted: Any, live: Any) -> None:
    """Quantities, and the many ways to say nothing."""
    assert list(differences(wanted, live)) == []


@pytest.mark.parametrize(
    ("wanted", "live", "path"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ([{"name": "a", "image": "x:1"}], [{"name": "a", "image": "x:2"}], "[a].image"),
        ([{"name": "a"}], [{"name": "b"}], "[a].name"),
        ([{"port": 1, "protocol": "TCP"}], [{"port": 2, "protocol": "TCP"}], "[1].port"),
        (["a", "b"], ["b", "a"], "[0]"),
        (["a"], ["a", "b"], ""),
        ({"flag": True}, {"flag": 1}, "flag"),
        ({"egress": []}, {"egress": [{"to": []}]}, "egress"),
        ("1Gi", "1Mi", ""),
        ("12e9999999999999", "13e9999999999999", ""),
        ("nan", "infinity", ""),
    ],
)
def test_another_value_is_a_difference_with_its_path(wanted: Any, live: Any, path: str) -> None:
    """So that whoever changed it finds it in the Event."""
    assert next(iter(differences(wanted, live)))[0] == path


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_every_value_of_a_chart_counts(data: st.DataObject) -> None:
    """Any one text or number that somebody changes in a rendered object is found."""
    wanted = data.draw(st.sampled_from(render("trading-system", system_values(manifest()))))
    live = copy.deepcopy(wanted)
    paths = [(at, key) for at, key in _places(live) if not isinstance(at[key], bool)]
    at, key = data.draw(st.sampled_from(paths))
    at[key] = at[key] + 1 if isinstance(at[key], int) else f"{at[key]}x"
    assert list(differences(wanted, live))


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            found += _places(inner)
        elif inner is not None:
            found.append((value, key))
    return found
