"""Two systems that ask for one account."""

from tradingmesh_operator.claims import Claims
from tradingmesh_operator.objects import Key

A, B, C = Key("n", "a"), Key("n", "b"), Key("m", "c")


def test_the_older_has_it_whoever_is_heard_of_first() -> None:
    """An operator that starts anew hears of them in any order."""
    claims = Claims()
    assert claims.claim(B, "account", "2026-02-02T00:00:00Z") is None
    assert claims.claim(A, "account", "2026-01-01T00:00:00Z") is None
    assert claims.claim(B, "account", "2026-02-02T00:00:00Z") == A
    assert claims.claim(C, "another", "2026-03-03T00:00:00Z") is None


def test_it_is_free_when_the_older_goes() -> None:
    """And whoever waited is named, to be looked at."""
    claims = Claims()
    claims.claim(A, "account", "1")
    claims.claim(B, "account", "2")
    assert claims.forget(A) == (B,)
    assert claims.claim(B, "account", "2") is None
    assert claims.forget(C) == ()


def test_without_an_account_nothing_is_claimed() -> None:
    """A simulator is everybody's own; and one that changes to it gives its claim up."""
    claims = Claims()
    claims.claim(A, "account", "1")
    assert claims.claim(A, "", "1") is None
    assert claims.claim(B, "account", "2") is None
