"""Which system trades which account: the older one has it."""

from typing import NamedTuple

from tradingmesh_operator.objects import Key


class Claim(NamedTuple):
    """An account, and since when a system has asked for it."""

    account: str
    since: str


class Claims:
    """Known to this operator, of all namespaces that it watches."""

    def __init__(self) -> None:
        self._claims: dict[Key, Claim] = {}

    def claim(self, key: Key, account: str, since: str) -> Key | None:
        """Notes a claim; returns the system that has the account instead. An empty account claims nothing."""
        if not account:
            self._claims.pop(key, None)
            return None
        self._claims[key] = Claim(account, since)
        older = [(other.since, name) for name, other in self._claims.items() if other.account == account]
        first = min(older)[1]
        return None if first == key else first

    def forget(self, key: Key) -> tuple[Key, ...]:
        """Gives a claim up; returns who waited for it."""
        claim = self._claims.pop(key, None)
        return tuple(name for name, other in self._claims.items() if claim and other.account == claim.account)
