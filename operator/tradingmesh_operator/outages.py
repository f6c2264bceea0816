"""How long nobody looked after the systems: told once somebody does again, for then there is somebody to hear it."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tradingmesh_operator.actions import Notice
from tradingmesh_operator.objects import Key

WORTH_TELLING_S = 2.0


class Outages:
    """Since when the API server has not answered, and who has not been told of it yet."""

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._since_s: float | None = None
        self._seen: set[Key] = set()
        self._untold: dict[Key, Notice] = {}
        self._unattended: tuple[datetime, Notice] | None = None

    def began(self) -> None:
        """The API server did not answer; what counts is the first time."""
        if self._since_s is None:
            self._since_s = self._clock_s()

    def ended(self, known: Iterable[Key]) -> tuple[Key, ...]:
        """It answers. Returns whom to look at again: what was changed meanwhile, no watch may have told of."""
        since_s, self._since_s = self._since_s, None
        if since_s is None or self._clock_s() - since_s < WORTH_TELLING_S:
            return ()
        told = Notice("ApiServerAway", _away(self._clock_s() - since_s), warning=True)
        self._untold |= dict.fromkeys(known, told)
        return tuple(self._untold)

    def unattended(self, lasted_s: float, now: datetime) -> None:
        """Until now, when this operator begins, none has worked for so long."""
        if lasted_s >= WORTH_TELLING_S:
            told = Notice("OperatorAway", _nobody(lasted_s), warning=True)
            self._unattended = now - timedelta(seconds=lasted_s), told

    def to_tell(self, key: Key, created: datetime) -> tuple[Notice, ...]:
        """What a system has to be told, until it was; the first time it is looked at, also of the time before us."""
        if key not in self._seen:
            self._seen.add(key)
            if self._unattended is not None and created < self._unattended[0]:
                self._untold.setdefault(key, self._unattended[1])
        return (self._untold[key],) if key in self._untold else ()

    def told(self, key: Key) -> None:
        """The Event is made."""
        self._untold.pop(key, None)

    def waits(self, key: Key) -> bool:
        """Whether something could not be told yet: just after its start the API server takes no Events."""
        return key in self._untold

    def forget(self, key: Key) -> None:
        """The system is gone."""
        self._untold.pop(key, None)
        self._seen.discard(key)


def _away(lasted_s: float) -> str:
    return (
        f"the API server did not answer for {lasted_s:.0f} s. Trading does not need it, and what was changed meanwhile "
        "is put right now; if this comes again, see to the API server"
    )


def _nobody(lasted_s: float) -> str:
    return (
        f"no operator worked for {lasted_s:.0f} s. Trading does not need it, and what was changed meanwhile is put "
        "right now; the log of the operator before (kubectl logs --previous) says why it ended"
    )
