"""How fast the broker may be asked: what it said of its rate limit, kept for all calls of one account.

Alpaca allows so many requests a minute and says with every answer how many are left and when that changes
(docs.alpaca.markets, "Rate limits"). A part is kept for what must not wait: a reconciliation stops before it takes
what orders and cancels may need, and no reconnect ends in a storm of refusals. A call that was refused for its rate
keeps every call back until the time that the broker named.

Decisions only: times are of a monotonic clock, and whoever shares it between threads holds a lock round it.
"""

from typing import NamedTuple

from tradingmesh.core.orders.api_breaker import ApiCall

WAIT_MAX_NS = 60_000_000_000
"""A window is a minute: a longer wait is a mistake in a header or a clock."""
KEPT_PERCENT = {ApiCall.CANCEL: 0, ApiCall.PLACE: 5, ApiCall.LOOK_UP: 5, ApiCall.ASK: 25}
"""The share of a window that a call leaves to those before it."""


class Quota(NamedTuple):
    """What an answer says of the rate: `window` is the end of the window in the broker's seconds, to tell two apart."""

    limit: int
    left: int
    window: int
    resets_in_ns: int


class ApiPace:
    """When the next call of a kind may go out."""

    def __init__(self) -> None:
        self._quota: Quota | None = None
        self._left = 0
        self._resets_ns = 0
        self._barred_until_ns = 0

    def left(self, now_ns: int) -> int | None:
        """How many requests are left in the window, as far as is known."""
        return self._left if self._quota is not None and now_ns < self._resets_ns else None

    def due_ns(self, call: ApiCall, now_ns: int) -> int:
        """The time from which a call of that kind may go out: past where it may at once."""
        left = self.left(now_ns)
        if left is None or self._quota is None or left > self._quota.limit * KEPT_PERCENT[call] // 100:
            return self._barred_until_ns
        return max(self._barred_until_ns, self._resets_ns)

    def sent(self) -> None:
        """A call goes out: until its answer says more, it counts as one less."""
        self._left -= 1

    def heard(self, quota: Quota, now_ns: int) -> None:
        """An answer told the quota. Answers may overtake one another: in one window the least that was told holds."""
        if self._quota is not None and quota.window < self._quota.window and now_ns < self._resets_ns:
            return
        same = self._quota is not None and quota.window == self._quota.window
        self._left = min(self._left, quota.left) if same else quota.left
        self._quota = quota
        self._resets_ns = now_ns + min(max(quota.resets_in_ns, 0), WAIT_MAX_NS)

    def limited(self, wait_ns: int, now_ns: int) -> None:
        """A call was refused for its rate: no call goes out before the wait is over."""
        self._barred_until_ns = max(self._barred_until_ns, now_ns + min(max(wait_ns, 0), WAIT_MAX_NS))
