"""Lets one system trade an account, and has the others wait."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tradingmesh_operator.api import Api
from tradingmesh_operator.claims import Claim, Claims
from tradingmesh_operator.objects import SYSTEMS, Key, Manifest

AccountOf = Callable[[Manifest], Awaitable[str | None]]


class Accounts:
    """Hears of every system before it lets the first one have an account: it may be another's, who is looked at later.

    Without that, an operator that starts anew would let whoever it looks at first trade beside who traded before.
    """

    def __init__(self, api: Api, account_of: AccountOf, namespaces: Iterable[str]) -> None:
        self._api = api
        self._account_of = account_of
        self._namespaces = tuple(namespaces) or ("",)
        self._claims = Claims()
        self._hearing = asyncio.Lock()
        self._all_heard = False

    async def rival(self, key: Key, system: Manifest) -> Key | None:
        """The system that trades this one's account already; None where it may."""
        claim = await self._claim(key, system)
        if not claim.account:
            return self._claims.claim(key, claim)
        await self._hear_all()
        found = self._claims.claim(key, claim)
        if found is not None and await self._api.get(SYSTEMS, *found) is None:
            self._claims.forget(found)
            found = self._claims.claim(key, claim)
        return found

    def forget(self, key: Key) -> tuple[Key, ...]:
        """A system is gone; returns who waited for its account."""
        return self._claims.forget(key)

    async def _hear_all(self) -> None:
        async with self._hearing:
            if self._all_heard:
                return
            for namespace in self._namespaces:
                for system in await self._api.list(SYSTEMS, namespace):
                    key = Key(system["metadata"]["namespace"], system["metadata"]["name"])
                    self._claims.note(key, await self._claim(key, system))
            self._all_heard = True

    async def _claim(self, key: Key, system: Manifest) -> Claim:
        """Of a Secret that cannot be read now, the account stays the one that it was: its pods have the keys."""
        account = await self._account_of(system)
        metadata, status = system["metadata"], system.get("status", {})
        refused = any(one["reason"] == "AccountClaimed" for one in status.get("conditions", []))
        new = refused or status.get("observedGeneration") != metadata.get("generation")
        told = self._claims.account_of(key) if account is None else account
        return Claim(told, new, metadata.get("creationTimestamp", ""))
