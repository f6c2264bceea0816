"""The Secrets that somebody else has to make."""

import pytest

from tests.operator.given import PAPER
from tests.operator.wanted import system
from tradingmesh_operator.needs import missing, secrets_of

KEYS = frozenset({"APCA_API_KEY_ID", "APCA_API_SECRET_KEY"})
POSTGRES = {"persistence.postgres.urlSecretRef": {"name": "pg", "key": "dsn"}}


def test_a_simulated_system_needs_none() -> None:
    """Its keys open nothing but its own simulator."""
    assert secrets_of(system()) == {}


def test_each_is_named_with_its_keys() -> None:
    """One Secret may serve both, and needs the keys of both then."""
    assert secrets_of(system({**PAPER, **POSTGRES})) == {"keys": KEYS, "pg": {"dsn"}}
    shared = {"persistence.postgres.urlSecretRef": {"name": "keys"}}
    assert secrets_of(system({**PAPER, **shared})) == {"keys": KEYS | {"url"}}


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (None, ["Secret keys is missing: create it with APCA_API_KEY_ID and APCA_API_SECRET_KEY"]),
        (frozenset(), ["Secret keys has no APCA_API_KEY_ID and no APCA_API_SECRET_KEY: add it"]),
        (frozenset({"APCA_API_KEY_ID"}), ["Secret keys has no APCA_API_SECRET_KEY: add it"]),
        (KEYS | {"more"}, []),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(there: frozenset[str] | None, told: list[str]) -> None:
    """The whole Secret, or a key in it."""
    assert list(missing(system(PAPER), {"keys": there})) == told
