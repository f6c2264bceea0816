"""Any valid spec renders, always to the same, and every port in it is where it belongs and nowhere else."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.charts.rendering import completed, of_kind, workloads
from tests.charts.test_chart_ports import expected, places
from tests.cluster.build_tools import build
from tests.operator.specs import changes, ports_of
from tests.operator.wanted import IMAGES, system
from tradingmesh.contract import CHANNELS, Channel, Component
from tradingmesh_operator.errors import RenderError, SpecError
from tradingmesh_operator.objects import CONFIG_HASH, SCALED_OBJECTS, Key, Kind, Manifest
from tradingmesh_operator.render import Renderer, chart_digest
from tradingmesh_operator.values import values_of

KEY = Key("trading", "demo")


def _renderer(runs: Callable[[], None] = lambda: None) -> Renderer:
    return Renderer(str(build("helm")), completed() / "trading-system", timeout_s=60, at_once=2, runs=runs)


def _rendered(of: Manifest, kinds: tuple[Kind, ...] = ()) -> list[Manifest]:
    async def run() -> list[Manifest]:
        return await _renderer().render(KEY, values_of(of, IMAGES), kinds)

    return asyncio.run(run())


@given(changes(), st.booleans())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_valid_spec_renders_always_to_the_same(drawn: dict[str, Any], keda: bool) -> None:  # noqa: FBT001 - drawn
    """Twice, by two processes of helm; and each port drawn is where it belongs, and nowhere else."""
    of, kinds = system(drawn), (SCALED_OBJECTS,) if keda else ()
    manifests = _rendered(of, kinds)
    assert _rendered(of, kinds) == manifests
    kind_of = {component: one["kind"] for component, one in workloads(manifests).items()}
    for channel, port in ports_of(drawn).items():
        assert places(manifests, port) == expected(channel, kind_of), channel
    for channel in set(Channel) - set(ports_of(drawn)):
        assert places(manifests, CHANNELS[channel].port) == expected(channel, kind_of), channel
    asked = keda and (of["spec"].get("fillProcessors", {}).get("autoscaling") or {}).get("scaler") == "Keda"
    assert len(of_kind(manifests, "ScaledObject")) == asked


def test_rendering_again_gives_the_same() -> None:
    """In another process of helm, in the same order; and from the cache without helm."""

    async def run() -> None:
        ran: list[str] = []
        first, second = _renderer(lambda: ran.append("first")), _renderer(lambda: ran.append("second"))
        values = values_of(system(), IMAGES)
        manifests = await first.render(KEY, values)
        assert await second.render(KEY, values) == manifests
        assert await first.render(KEY, values) == manifests
        assert ran == ["first", "second"]
        manifests.clear()
        assert await first.render(KEY, values)
        first.forget(KEY)
        await first.render(KEY, values)
        assert ran == ["first", "second", "first"]

    asyncio.run(run())


def test_of_a_system_only_the_newest_is_kept() -> None:
    """Each change makes a generation; a system that is scaled all day takes no more memory for it."""

    async def run() -> None:
        ran: list[int] = []
        renderer = _renderer(lambda: ran.append(len(renderer._kept)))
        for generation in (1, 2, 2, 3):
            await renderer.render(KEY, values_of(system(generation=generation), IMAGES))
        assert (ran, len(renderer._kept)) == ([0, 1, 1], 1)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("changes", "restarted"),
    [
        ({"riskLimits.maxDailyLoss": "1"}, set()),
        ({"trading": "Halted"}, set()),
        ({"circuitBreaker.reset": "Manual"}, set()),
        ({"fillProcessors.replicas": 5}, set()),
        ({"onDelete": "Leave"}, set()),
        ({"strategies.0.params.fast": 11}, {Component.SIGNAL_GENERATOR}),
        ({"endpoints.fills.port": 6001}, {Component.EXECUTION_ENGINE, Component.FILL_PROCESSOR}),
        ({"endpoints.features.port": 6001}, {Component.FEATURE_ENGINE, Component.MARKET_DATA_STORE}),
    ],
)
def test_a_change_restarts_exactly_who_uses_it(changes: dict[str, Any], restarted: set[Component]) -> None:
    """The hash of the parts of the spec that a component reads is an annotation of its pods."""
    before, after = _hashes(_rendered(system())), _hashes(_rendered(system(changes)))
    assert {component for component in before if before[component] != after[component]} == restarted


def _hashes(manifests: list[Manifest]) -> dict[str, str]:
    found = workloads(manifests)
    return {
        component: workload["spec"]["template"]["metadata"]["annotations"][CONFIG_HASH]
        for component, workload in found.items()
    }


def test_a_default_that_is_filled_in_restarts_nobody() -> None:
    """The API server writes defaults into the spec; those of a newer definition are more, and mean the same."""
    filled = {
        "circuitBreaker.reset": "Automatic",
        "broker.feed": "iex",
        "broker.dataTimeout": "60s",
        "endpoints.heartbeat": {"interval": "250ms", "timeout": "1500ms", "ttl": "2000ms"},
        "endpoints.riskCheck": {"timeout": "1s", "linger": "100ms"},
        "observability": {"traceSampleRatio": "0.01", "otlpEndpoint": ""},
    }
    assert _hashes(_rendered(system(filled))) == _hashes(_rendered(system()))


def test_a_chart_that_does_not_take_the_values_says_why() -> None:
    """In helm's words, with the path of the value, and without its stack."""
    values = values_of(system(), IMAGES)
    values["global"]["system"]["spec"]["endpoints"] = {"fills": {"port": "x"}}

    async def run() -> None:
        with pytest.raises(RenderError, match=r"/global/system/spec/endpoints/fills/port"):
            await _renderer().render(KEY, values)

    asyncio.run(run())


def test_a_helm_that_hangs_or_is_missing_is_an_error(tmp_path: Path) -> None:
    """Bounded in time, and the process is gone afterwards."""
    slow = tmp_path / "helm"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    chart = completed() / "trading-system"

    async def run() -> None:
        with pytest.raises(RenderError, match=r"within 0\.2 s"):
            await Renderer(str(slow), chart, timeout_s=0.2, at_once=1).render(KEY, {})
        with pytest.raises(RenderError, match="helm cannot be run"):
            await Renderer(str(tmp_path / "none"), chart, timeout_s=1, at_once=1).render(KEY, {})

    asyncio.run(run())


def test_where_there_is_no_chart_is_said(tmp_path: Path) -> None:
    """With the variable that says where it is looked for."""
    with pytest.raises(RenderError, match="TRADINGMESH_OPERATOR_CHARTS"):
        chart_digest(tmp_path)


def test_a_spec_that_contradicts_itself_names_the_field() -> None:
    """Should the API server have let it through."""
    with pytest.raises(SpecError, match="spec: "):
        values_of(system({"mode": "live"}), IMAGES)
