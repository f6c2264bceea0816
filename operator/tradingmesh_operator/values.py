"""From a TradingSystem to the values of the umbrella chart."""

from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from tradingmesh.contract import TradingSystem
from tradingmesh_operator.errors import SpecError
from tradingmesh_operator.objects import Manifest

Values = dict[str, Any]


class Images(NamedTuple):
    """Where images come from: `<repository>/<component>:<tag>`."""

    repository: str
    tag: str
    pull_policy: str
    pull_secrets: tuple[str, ...] = ()


def parsed(system: Manifest) -> TradingSystem:
    """The resource as the contract's model. Raises `SpecError` naming the first field that is wrong."""
    try:
        return TradingSystem.of_manifest({name: system[name] for name in ("apiVersion", "kind", "metadata", "spec")})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SpecError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def values_of(system: Manifest, images: Images) -> Values:
    """What the umbrella chart is rendered with. Raises `SpecError`.

    Of the spec only what is no default goes in: a definition that fills in more of them than before restarts nobody.
    """
    model = parsed(system)
    metadata = system["metadata"]
    spec = _told(system["spec"], model.spec)
    components = spec.pop("components", {})
    return {
        "global": {
            "system": {"name": metadata["name"], "generation": metadata.get("generation", 0), "spec": spec},
            "image": {
                "repository": images.repository,
                "tag": images.tag,
                "pullPolicy": images.pull_policy,
                "pullSecrets": list(images.pull_secrets),
            },
            "controlTokenSecret": control_secret(metadata["name"]),
        },
        **components,
    }


def control_secret(name: str) -> str:
    """The Secret with the token that commands need."""
    return f"{name}-control"


def _told(given: Manifest, model: BaseModel) -> Manifest:
    """Of what is given, in its own spelling, what is no default."""
    unusual = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {**_kept(given, unusual), "symbols": given["symbols"]}


def _kept(given: Manifest, unusual: Manifest) -> Manifest:
    kept = {}
    for name, value in given.items():
        if name not in unusual:
            continue
        both = isinstance(value, dict) and isinstance(unusual[name], dict)
        kept[name] = _kept(value, unusual[name]) if both else value
    return kept
