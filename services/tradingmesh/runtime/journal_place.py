"""Where the risk manager's journal is, by the manifest and the settings."""

from pathlib import Path

from tradingmesh.adapters.journals import FILE, Place
from tradingmesh.contract import TradingSystemSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import Settings


def journal_place(spec: TradingSystemSpec, settings: Settings, folder: Path) -> Place:
    """The database that the manifest names, or the file in `folder`. Raises `ConfigError` where the URL is missing."""
    path = folder / FILE
    if spec.persistence.postgres is None:
        return Place(path)
    url = settings.postgres_url.get_secret_value()
    if not url:
        secret = spec.persistence.postgres.url_secret_ref
        raise ConfigError(
            f"environment: TRADINGMESH_POSTGRES_URL is not set: spec.persistence.postgres keeps the journal in the "
            f"database of secret {secret.name}"
        )
    return Place(path, url, settings.postgres_schema)
