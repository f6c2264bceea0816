"""What an API server and tradingmesh itself say of a manifest."""

from typing import Any

from tests.cluster.api_server import ApiServer
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import parse_manifest


def of_server(server: ApiServer, content: dict[str, Any]) -> str:
    """Why the API server refuses a manifest; empty where it would take it."""
    create = ("create", "-n", "default", "--dry-run=server", "--validate=strict", "-f", "-")
    return server.kubectl(*create, stdin=content, check=False).stderr


def of_models(content: dict[str, Any]) -> str:
    """Why tradingmesh refuses it; empty where it takes it."""
    try:
        parse_manifest(content, source="it")
    except ConfigError as error:
        return str(error)
    return ""
