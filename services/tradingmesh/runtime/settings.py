"""A component's settings: the environment, and one mounted file that is the `TradingSystem` manifest itself."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from tradingmesh.contract import (
    ADMIN_PORT,
    PAGE_PORT,
    SIMULATOR_PORT,
    Component,
    EndpointsSpec,
    Spec,
    TradingSystem,
)
from tradingmesh.core.errors import ConfigError

MANIFEST_MAX_BYTES = 1 << 20

M = TypeVar("M", bound=Spec)


class Settings(BaseSettings):
    """What one process is told. Everything is `TRADINGMESH_...` in the environment, but Alpaca's own two keys."""

    model_config = SettingsConfigDict(env_prefix="TRADINGMESH_", frozen=True, extra="ignore", populate_by_name=True)

    system_file: Path = Path("/etc/tradingmesh/system.yaml")
    instance: str = ""
    data_dir: Path = Path("var")
    bind_host: str = "127.0.0.1"
    hosts: dict[Component, str] = Field(default_factory=dict)
    ipc_dir: Path | None = None
    admin_host: str = "127.0.0.1"
    admin_port: Annotated[int, Field(ge=0, le=65535)] = ADMIN_PORT
    page_port: Annotated[int, Field(ge=0, le=65535)] = PAGE_PORT
    simulator_port: Annotated[int, Field(ge=0, le=65535)] = SIMULATOR_PORT
    simulator_hold: bool = False
    control_token: SecretStr = SecretStr("")
    postgres_url: SecretStr = SecretStr("")
    postgres_schema: Annotated[str, Field(max_length=63)] = ""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    strategy_path: Path | None = None
    apca_api_key_id: str = Field(default="", validation_alias="APCA_API_KEY_ID")
    apca_api_secret_key: SecretStr = Field(default=SecretStr(""), validation_alias="APCA_API_SECRET_KEY")

    @property
    def instance_dir(self) -> Path:
        """The instance's own folder for durable state."""
        return self.data_dir / self.instance


def load_settings() -> Settings:
    """The settings from the environment. Raises `ConfigError` naming the variable that is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = name if name.isupper() else f"TRADINGMESH_{name.upper()}"
        raise ConfigError(f"environment: {variable}: {_what(first)} (got {os.environ.get(variable)!r})") from None
    except SettingsError as error:
        raise ConfigError(f"environment: {error}: JSON belongs there") from None


def load_manifest(path: Path) -> TradingSystem:
    """The manifest in a file. Raises `ConfigError`: one line with the file and the first field that is wrong."""
    return parse_manifest(_read_yaml(path), source=str(path))


def load_endpoints(path: Path) -> EndpointsSpec:
    """Only where the components of the manifest in a file are. Raises `ConfigError` as `load_manifest` does.

    What else is wrong in it must not keep anybody from halting a mesh that runs.
    """
    content = _read_yaml(path)
    try:
        return EndpointsSpec.of_manifest(content["spec"].get("endpoints", {}))
    except (ValidationError, KeyError, TypeError, AttributeError):
        return parse_manifest(content, source=str(path)).spec.endpoints


def _read_yaml(path: Path) -> Any:
    try:
        if path.stat().st_size > MANIFEST_MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MANIFEST_MAX_BYTES} bytes, that is no manifest")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{where}: not YAML: {getattr(error, 'problem', error)}") from None


def parse_manifest(content: Any, *, source: str) -> TradingSystem:
    """The manifest in parsed YAML. Raises `ConfigError` naming source and field."""
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: not a TradingSystem manifest: a mapping belongs here")
    return parse_spec(TradingSystem, content, source=source)


def parse_spec(model: type[M], content: Any, *, source: str) -> M:
    """A manifest, or a part of one, in parsed YAML or JSON. Raises `ConfigError` naming source and field."""
    if not isinstance(content, dict):
        raise ConfigError(f"{source}: a mapping belongs here")
    try:
        return model.of_manifest(content)
    except ValidationError as error:
        raise ConfigError(f"{source}: {_sentence(error, content)}") from None


def _sentence(error: ValidationError, content: Any) -> str:
    errors = error.errors(include_url=False, include_input=True)
    where = _path(errors[0]["loc"], content)
    # Where a field may be one thing or another, each is an error of its own.
    whats = dict.fromkeys(_what(e) for e in errors if _path(e["loc"], content) == where)
    got = errors[0].get("input")
    worth_telling = isinstance(got, str | int | float) and errors[0]["type"] != "extra_forbidden"
    told = any(repr(got) in what for what in whats)
    return f"{where}: {', or '.join(whats)}" + (f" (got {got!r})" if worth_telling and not told else "")


def _what(error: ErrorDetails) -> str:
    match error["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "missing"
        case "model_type" | "dict_type":
            return "a mapping belongs here"
    return error["msg"].removeprefix("Value error, ").replace("Input should be ", "must be ", 1)


def _path(location: tuple[int | str, ...], content: Any) -> str:
    """The field as the manifest writes it: pydantic also names its own branches, which are not in the content."""
    path, at = "", content
    for number, part in enumerate(location):
        if isinstance(at, list) and isinstance(part, int) and part < len(at):
            path, at = f"{path}[{part}]", at[part]
        elif isinstance(at, dict) and (part in at or number == len(location) - 1) and part != "[key]":
            path, at = f"{path}.{part}", at.get(part)
    return path.removeprefix(".")
