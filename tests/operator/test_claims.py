"""Two systems that ask for one account."""

from typing import Any, cast

import pytest

from tests.operator.given import PAPER
from tests.operator.wanted import system
from tradingmesh_operator.accounts import Accounts
from tradingmesh_operator.api import Api
from tradingmesh_operator.claims import Claim, Claims
from tradingmesh_operator.objects import Key, Manifest

A, B, C = Key("n", "a"), Key("n", "b"), Key("m", "c")
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-02-02T00:00:00Z"


def _claim(account: str = "account", since: str = OLD, *, new: bool = True) -> Claim:
    return Claim(account, new, since)


def test_of_two_that_are_known_the_older_has_it() -> None:
    """Where neither has traded it before."""
    claims = Claims()
    claims.note(A, _claim())
    assert claims.claim(B, _claim(since=YOUNG)) == A
    assert claims.claim(A, _claim()) is None
    assert claims.claim(C, _claim("another")) is None


def test_who_has_it_keeps_it() -> None:
    """Its pods run: an older system that turns to the account later does not get it beside them."""
    claims = Claims()
    assert claims.claim(B, _claim(since=YOUNG)) is None
    assert claims.claim(A, _claim("another")) is None
    assert claims.claim(A, _claim()) == B
    assert claims.claim(B, _claim(since=YOUNG)) is None


def test_who_traded_it_before_comes_first() -> None:
    """An operator that starts anew has forgotten who had it; status has not."""
    claims = Claims()
    claims.note(B, _claim(since=YOUNG, new=False))
    assert claims.claim(A, _claim(new=True)) == B


def test_it_is_free_when_the_holder_goes_or_turns_away() -> None:
    """And whoever waited is named, to be looked at."""
    claims = Claims()
    claims.claim(A, _claim())
    claims.claim(B, _claim(since=YOUNG))
    assert claims.forget(B) == ()
    claims.claim(B, _claim(since=YOUNG))
    assert claims.forget(A) == (B,)
    assert claims.claim(B, _claim(since=YOUNG)) is None
    assert claims.forget(C) == ()
    assert claims.claim(B, _claim("another")) is None
    assert claims.claim(A, _claim()) is None


def test_without_an_account_nothing_is_claimed() -> None:
    """A simulator is everybody's own; and one that changes to it gives its claim up."""
    claims = Claims()
    claims.claim(A, _claim())
    assert claims.claim(A, _claim("")) is None
    assert claims.claim(B, _claim(since=YOUNG)) is None


class FakeApi:
    """A server with these systems; their Secrets are named like their accounts, and may be gone."""

    def __init__(self, *systems: Manifest) -> None:
        self.systems = {Key("n", one["metadata"]["name"]): one for one in systems}
        self.lists = 0
        self.gone: set[str] = set()

    async def list(self, *_: Any) -> list[Manifest]:
        """All of them."""
        self.lists += 1
        return list(self.systems.values())

    async def get(self, _: Any, *key: str) -> Manifest | None:
        """One of them."""
        return self.systems.get(Key(*key))

    async def account(self, of: Manifest) -> str | None:
        """What its Secret says."""
        name: str = of["spec"]["broker"]["credentialsSecretRef"]["name"]
        return None if name in self.gone else name


def _paper(key: Key, since: str, *, refused: bool = False, secret: str = "keys", observed: int = 1) -> Manifest:
    changes = {**PAPER, "broker.credentialsSecretRef.name": secret}
    found = system(changes, name=key.name, namespace="n", creationTimestamp=since)
    reason = "AccountClaimed" if refused else "AsSpecified"
    return {**found, "status": {"observedGeneration": observed, "conditions": [{"reason": reason}]}}


def _accounts(api: FakeApi) -> Accounts:
    return Accounts(cast("Api", api), api.account, ())


@pytest.mark.parametrize("a_refused", [True, False])
async def test_an_operator_that_starts_anew_knows_who_had_it(a_refused: bool) -> None:  # noqa: FBT001 - a parameter
    """Whoever it looks at first: the one that waited goes on waiting, and nothing of it is made meanwhile."""
    a, b = _paper(A, OLD, refused=a_refused), _paper(B, YOUNG, refused=not a_refused)
    waits, holder = ((A, a), B) if a_refused else ((B, b), A)
    api = FakeApi(a, b)
    accounts = _accounts(api)
    assert await accounts.rival(*waits) == holder
    assert await accounts.rival(holder, api.systems[holder]) is None
    assert api.lists == 1


async def test_a_spec_that_nobody_has_looked_at_takes_no_account_away() -> None:
    """The older turned to it while no operator was there."""
    accounts = _accounts(FakeApi(_paper(A, OLD, observed=0), _paper(B, YOUNG)))
    assert await accounts.rival(A, _paper(A, OLD, observed=0)) == B


async def test_a_secret_that_is_gone_frees_no_account() -> None:
    """The pods that run have its keys."""
    api = FakeApi(_paper(A, OLD), _paper(B, YOUNG, refused=True, secret="keys"))
    accounts = _accounts(api)
    assert await accounts.rival(A, api.systems[A]) is None
    api.gone = {"keys"}
    assert await accounts.rival(A, api.systems[A]) is None
    api.gone = set()
    assert await accounts.rival(B, api.systems[B]) == A


async def test_who_went_unheard_has_nothing() -> None:
    """Deleted between two looks of an operator that begins."""
    api = FakeApi(_paper(A, OLD), _paper(B, YOUNG))
    accounts = _accounts(api)
    assert await accounts.rival(B, api.systems[B]) == A
    del api.systems[A]
    assert await accounts.rival(B, api.systems[B]) is None
