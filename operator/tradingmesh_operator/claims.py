"""Which system trades which account: who has it keeps it."""

from typing import NamedTuple

from tradingmesh_operator.objects import Key


class Claim(NamedTuple):
    """What one system asks for."""

    account: str
    new: bool
    """It has not been let trade this account before, as far as its status says."""
    since: str
    """When the system was made."""


class Claims:
    """Known to this operator, of all namespaces that it watches."""

    def __init__(self) -> None:
        self._claims: dict[Key, Claim] = {}
        self._holders: dict[str, Key] = {}

    def note(self, key: Key, claim: Claim) -> None:
        """Somebody will ask for an account, or has it already."""
        if claim.account:
            self._claims.setdefault(key, claim)

    def claim(self, key: Key, claim: Claim) -> Key | None:
        """Asks for an account; returns the system that has it instead. An empty account claims nothing.

        Where nobody is known to have it, who traded it before has it, and then the oldest. A later one never takes it
        away, however old it is: the pods of who has it run.
        """
        if self._claims.get(key, claim).account != claim.account:
            self.forget(key)
        if not claim.account:
            return None
        self._claims[key] = claim
        if claim.account not in self._holders:
            asking = ((one.new, one.since, name) for name, one in self._claims.items() if one.account == claim.account)
            self._holders[claim.account] = min(asking)[-1]
        holder = self._holders[claim.account]
        return None if holder == key else holder

    def account_of(self, key: Key) -> str:
        """What a system has asked for last."""
        return self._claims[key].account if key in self._claims else ""

    def forget(self, key: Key) -> tuple[Key, ...]:
        """Gives a claim up; returns who waited for it."""
        claim = self._claims.pop(key, None)
        if claim is None or self._holders.get(claim.account) != key:
            return ()
        del self._holders[claim.account]
        return tuple(name for name, other in self._claims.items() if other.account == claim.account)
