"""The Secrets that the pods of a system need, and somebody else has to make."""

from collections.abc import Iterator, Mapping
from typing import Any

from tradingmesh_operator.objects import Manifest

KEY_ID, SECRET_KEY = "APCA_API_KEY_ID", "APCA_API_SECRET_KEY"
Keys = frozenset[str]


def secrets_of(system: Manifest) -> dict[str, Keys]:
    """Each Secret by name, with the keys that are read of it."""
    needed: dict[str, Keys] = {}
    if name := credentials_of(system):
        needed[name] = frozenset((KEY_ID, SECRET_KEY))
    reference: dict[str, Any] = (system["spec"].get("persistence", {}).get("postgres") or {}).get("urlSecretRef", {})
    if name := reference.get("name", ""):
        needed[name] = needed.get(name, frozenset()) | {reference.get("key") or "url"}
    return needed


def credentials_of(system: Manifest) -> str:
    """The Secret with the keys of the broker's account; empty where none is named."""
    found: str = (system["spec"].get("broker", {}).get("credentialsSecretRef") or {}).get("name", "")
    return found


def missing(system: Manifest, there: Mapping[str, Keys | None]) -> Iterator[str]:
    """What a person has to do, a sentence a Secret; `there` has the keys of each, None for one that is not there."""
    needed = secrets_of(system)
    for name, keys in there.items():
        wanted = needed.get(name, frozenset())
        if keys is None:
            yield f"Secret {name} is missing: create it{_with(wanted)}"
        elif lacking := wanted - keys:
            yield f"Secret {name} has no {' and no '.join(sorted(lacking))}: add it"


def _with(keys: Keys) -> str:
    return f" with {' and '.join(sorted(keys))}" if keys else ""
