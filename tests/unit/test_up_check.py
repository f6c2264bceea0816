"""Bad input of `tradingmesh up` is found before anything starts, and named in one sentence."""

import socket
from pathlib import Path

import pytest

from tradingmesh.cli import up
from tradingmesh.cli.up import Options, check
from tradingmesh.cli.up_start import subscriptions
from tradingmesh.contract import PAGE_PORT
from tradingmesh.core.errors import ConfigError, TradingMeshError
from tradingmesh.runtime.settings import parse_manifest

MANIFEST = """
apiVersion: tradingmesh.io/v1alpha1
kind: TradingSystem
metadata: {name: test}
spec:
  symbols: [IBM, BAC]
  strategies:
  - {name: momentum, uses: ema-crossover, symbols: [IBM], params: {fast: 10, slow: 50}}
  endpoints: {transport: ipc}
"""


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A good manifest, and free ports."""
    monkeypatch.setenv("TRADINGMESH_ADMIN_PORT", "0")
    monkeypatch.setenv("TRADINGMESH_SIMULATOR_PORT", "0")
    path = tmp_path / "system.yaml"
    path.write_text(MANIFEST)
    return path


def _options(file: Path, **changed: object) -> Options:
    return Options(file, None, None, None, None)._replace(**changed)  # type: ignore[arg-type]


def test_good_input_is_a_plan_with_keys_and_a_token(manifest: Path) -> None:
    """Made up for this run, each time anew."""
    one, other = check(_options(manifest)), check(_options(manifest))
    assert len(one.planned) == 10
    assert one.settings.apca_api_key_id
    tokens = {ready.settings.control_token.get_secret_value() for ready in (one, other)}
    assert len(tokens) == 2
    assert all(len(token) > 20 for token in tokens)


def test_the_live_page_has_the_port_that_was_set(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It, or none: where somebody else has it, nothing starts, and it is said whose setting it is."""
    with socket.create_server(("127.0.0.1", 0)) as somebody:
        port = somebody.getsockname()[1]
        monkeypatch.setenv("TRADINGMESH_PAGE_PORT", str(port))
        with pytest.raises(ConfigError, match=rf"the live page's port \(TRADINGMESH_PAGE_PORT\): {port} is in use"):
            check(_options(manifest))
    assert check(_options(manifest)).settings.page_port == port


@pytest.mark.parametrize(("admin_port", "is_usual"), [("9090", True), ("0", False)])
def test_untold_it_has_the_usual_port_unless_several_run(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, admin_port: str, *, is_usual: bool
) -> None:
    """Who asks for free admin ports runs several, and gets a free one for the page as well."""
    monkeypatch.setenv("TRADINGMESH_ADMIN_PORT", admin_port)
    monkeypatch.setattr(up, "check_free", lambda _: None)
    monkeypatch.setattr(up, "is_free", lambda _: True)
    assert (check(_options(manifest)).settings.page_port == PAGE_PORT) == is_usual


@pytest.mark.parametrize("taken_by", ["somebody else", "a channel"])
def test_a_usual_port_that_is_taken_is_left_alone(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, taken_by: str
) -> None:
    """Much else listens on 8080: the page goes elsewhere, and `up` says where."""
    monkeypatch.setenv("TRADINGMESH_ADMIN_PORT", "9090")
    monkeypatch.setattr(up, "check_free", lambda _: None)
    monkeypatch.setattr(up, "is_free", lambda _: taken_by == "a channel")
    if taken_by == "a channel":
        manifest.write_text(MANIFEST.replace("transport: ipc", "transport: ipc, fills: {port: 8080}"))
    assert check(_options(manifest)).settings.page_port not in (0, PAGE_PORT)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tape": "/nowhere/tape.csv"}, "^tape /nowhere/tape.csv: there is no such file or folder$"),
        ({"tape": "/nowhere@20131007"}, "^tape /nowhere@20131007: there is no such file or folder$"),
        ({"duration_s": 0.0}, "^--duration: must be greater than 0"),
        ({"report": Path("/nowhere/r.json")}, "^--report /nowhere/r.json: there is no such folder$"),
        ({"speed": "warp"}, r"^with --speed warp: spec\.broker\.simulator\.speed: must be"),
    ],
)
def test_a_wrong_option_is_named(manifest: Path, changed: dict[str, object], words: str) -> None:
    """As it was written."""
    with pytest.raises(ConfigError, match=words):
        check(_options(manifest, **changed))


def test_a_strategy_that_cannot_be_loaded_is_named(manifest: Path) -> None:
    """Before anything starts, not by a process that dies of it."""
    manifest.write_text(MANIFEST.replace("fast: 10", "fast: 90"))
    with pytest.raises(TradingMeshError, match=r"momentum.*fast: 90 is not below slow 50"):
        check(_options(manifest))


def test_paper_without_keys_says_which_are_missing(manifest: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alpaca's own two variables."""
    monkeypatch.delenv("APCA_API_KEY_ID", raising=False)
    manifest.write_text(
        MANIFEST.replace("symbols: [IBM, BAC]", "symbols: [IBM]\n  mode: paper\n  broker: {kind: alpaca}")
    )
    with pytest.raises(ConfigError, match="APCA_API_KEY_ID and APCA_API_SECRET_KEY"):
        check(_options(manifest))


def test_every_subscriber_is_waited_for() -> None:
    """Four hear every symbol, the signal generator those that are traded."""
    content = {
        "apiVersion": "tradingmesh.io/v1alpha1",
        "kind": "TradingSystem",
        "metadata": {"name": "test"},
        "spec": {
            "symbols": ["IBM", "BAC", "KO"],
            "strategies": [
                {"name": "a", "uses": "x", "symbols": ["IBM"]},
                {"name": "b", "uses": "x", "symbols": ["IBM"]},
            ],
        },
    }
    assert subscriptions(parse_manifest(content, source="test").spec) == 4 * 3 + 1
