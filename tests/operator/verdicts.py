"""What an API server and tradingmesh itself say of a manifest."""

import json
from typing import Any

from kubernetes import client

from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import parse_manifest


def of_server(api: client.CustomObjectsApi, content: dict[str, Any]) -> str:
    """Why the API server refuses a manifest; empty where it would take it. As kubectl asks it, it is strict."""
    group, version = content["apiVersion"].split("/")
    try:
        api.create_namespaced_custom_object(
            group, version, "default", "tradingsystems", content, dry_run="All", field_validation="Strict"
        )
    except client.ApiException as error:
        return str(json.loads(error.body or "{}")["message"])
    return ""


def of_models(content: dict[str, Any]) -> str:
    """Why tradingmesh refuses it; empty where it takes it."""
    try:
        parse_manifest(content, source="it")
    except ConfigError as error:
        return str(error)
    return ""
