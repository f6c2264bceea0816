"""Settings come from the environment; one that is wrong is named as the environment writes it."""

from pathlib import Path

import pytest
import yaml

from tradingmesh.contract import Component
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import load_endpoints, load_settings


def test_the_environment_sets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours under our prefix, Alpaca's keys under their own names, and the secret is not shown."""
    monkeypatch.setenv("TRADINGMESH_ADMIN_PORT", "9191")
    monkeypatch.setenv("TRADINGMESH_HOSTS", '{"risk-manager": "10.0.0.7"}')
    monkeypatch.setenv("APCA_API_KEY_ID", "key")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "hidden")
    settings = load_settings()
    assert settings.admin_port == 9191
    assert settings.hosts == {Component.RISK_MANAGER: "10.0.0.7"}
    assert settings.apca_api_key_id == "key"
    assert settings.apca_api_secret_key.get_secret_value() == "hidden"
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("TRADINGMESH_ADMIN_PORT", "70000", "must be less than or equal to 65535"),
        ("TRADINGMESH_LOG_LEVEL", "loud", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("TRADINGMESH_HOSTS", '{"foo": "x"}', "must be 'market-data-feed'"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str) -> None:
    """The variable, what belongs there, and what was there."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert str(caught.value).startswith(f"environment: {variable}: {words}")
    assert str(caught.value).endswith(f"(got {value!r})")


def test_what_is_no_json_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping is written as JSON in the environment."""
    monkeypatch.setenv("TRADINGMESH_HOSTS", "foo")
    with pytest.raises(ConfigError, match=r'"hosts".*JSON belongs there'):
        load_settings()


def test_a_wrong_manifest_still_says_where_the_components_are(tmp_path: Path) -> None:
    """A mesh that runs can be halted while somebody has its manifest half edited."""
    file = tmp_path / "system.yaml"
    spec = {"endpoints": {"control": {"port": 7777}}, "riskLimits": {"maxOrderQuantity": -1}}
    file.write_text(yaml.safe_dump({"spec": spec}))
    assert load_endpoints(file).control.port == 7777


def test_wrong_endpoints_are_named(tmp_path: Path) -> None:
    """Nobody is asked at a port that is none."""
    file = tmp_path / "system.yaml"
    head = {"apiVersion": "tradingmesh.io/v1alpha1", "kind": "TradingSystem", "metadata": {"name": "x"}}
    file.write_text(yaml.safe_dump({**head, "spec": {"symbols": ["IBM"], "endpoints": {"control": {"port": 0}}}}))
    with pytest.raises(ConfigError, match=r"spec.endpoints.control.port: must be greater than or equal to 1"):
        load_endpoints(file)
    file.write_text("- nothing")
    with pytest.raises(ConfigError, match="not a TradingSystem manifest"):
        load_endpoints(file)
