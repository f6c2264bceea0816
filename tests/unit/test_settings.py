"""Settings come from the environment; one that is wrong is named as the environment writes it."""

import pytest

from tradingmesh.contract import Component
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import load_settings


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
