"""The faults that the simulator injects on demand: where, what, how often, when.

They act on what leaves the simulator and on what comes in, never on its own account: that stays the truth.
"""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from tradingmesh.contract.fields import DurationMs, Exact, Flag, Spec, Whole

FAULTS_MAX = 32


class FaultPlace(StrEnum):
    """Which of the simulator's three ways in and out a fault is on."""

    TRADE_UPDATES = "trade-updates"
    MARKET_DATA = "market-data"
    REST = "rest"


class FaultKind(StrEnum):
    """What goes wrong.

    On the two streams, drop, duplicate, delay and reorder meet single messages. A delayed message keeps its place, so
    what comes after it waits too; a reordered one is held back alone and overtaken. cut closes every connection and
    refuses new ones; mute leaves them open and says nothing, for good: there is no replay.
    """

    DROP = "drop"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    REORDER = "reorder"
    CUT = "cut"
    MUTE = "mute"
    ERROR = "error"
    RESET = "reset"


_EACH = frozenset({"rate", "times"})
_HELD = _EACH | {"min_ms", "max_ms"}
_STREAM = {
    FaultKind.DROP: _EACH,
    FaultKind.DUPLICATE: _EACH,
    FaultKind.DELAY: _HELD,
    FaultKind.REORDER: _HELD,
    FaultKind.CUT: frozenset[str](),
    FaultKind.MUTE: frozenset({"answers_pings"}),
}
PARAMETERS: dict[FaultPlace, dict[FaultKind, frozenset[str]]] = {
    FaultPlace.TRADE_UPDATES: _STREAM,
    FaultPlace.MARKET_DATA: {**_STREAM, FaultKind.ERROR: _EACH | {"code"}},
    FaultPlace.REST: {
        FaultKind.DELAY: _HELD | {"requests", "acted"},
        FaultKind.ERROR: _EACH | {"requests", "acted", "code", "retry_after_ms"},
        FaultKind.RESET: _EACH | {"requests", "acted"},
    },
}
"""What can be said of each fault at each place, besides where, what, after and for."""

ALWAYS = frozenset({"where", "what", "after_ms", "for_ms"})
CODES = {FaultPlace.MARKET_DATA: (405, 406, 407, 409, 500), FaultPlace.REST: (429, 500, 502, 503, 504)}


class FaultSpec(Spec):
    """One fault. Its place in time is counted from when it was put in force, on the machine's clock."""

    where: FaultPlace
    what: FaultKind
    rate: Annotated[Exact, Field(gt=0, le=1)] = Decimal(1)
    """The chance of each message or request to be met."""
    times: Annotated[Whole, Field(ge=1)] | None = None
    """It strikes at most that often."""
    after_ms: DurationMs = Field(default=0, alias="after")
    """It begins that long after it was put in force."""
    for_ms: DurationMs | None = Field(default=None, alias="for")
    """It ends that long after it began; unset, when it is cleared."""
    min_ms: DurationMs = Field(default=0, alias="min")
    """Of delay and reorder: how long at least."""
    max_ms: DurationMs = Field(default=0, alias="max")
    """Of delay and reorder: how long at most."""
    requests: str = Field(default="* *", pattern=r"^\S+ \S+$", max_length=200)
    """Of rest: method and path without the query, `*` stands for anything: `POST /v2/orders`, `* /v2/orders/*`."""
    acted: Flag = False
    """Of rest: whether the broker does what it was asked before the fault strikes."""
    code: Whole | None = None
    """Of error: the HTTP status, or the code on the market data stream: 405, 409 answer a subscription, 406 a login."""
    retry_after_ms: DurationMs = Field(default=1_000, alias="retryAfter")
    """Of error 429: what its Retry-After header says, in whole seconds."""
    answers_pings: Flag = True
    """Of mute: whether a websocket ping is answered, so that the connection looks alive."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        kinds = PARAMETERS[self.where]
        if self.what not in kinds:
            raise ValueError(f"what {self.what} does not go with where {self.where}: use {', '.join(kinds)}")
        for name, field in type(self).model_fields.items():
            told = name not in ALWAYS and getattr(self, name) != field.default
            if told and name not in kinds[self.what]:
                raise ValueError(f"{field.alias} does not go with {self.what} on {self.where}")
        if self.what in (FaultKind.DELAY, FaultKind.REORDER) and not 0 < self.max_ms >= self.min_ms:
            raise ValueError(f"max must be above 0 and not below min, as {self.what} needs it")
        if self.what is FaultKind.ERROR:
            self._check_error()
        return self

    def _check_error(self) -> None:
        codes = CODES[self.where]
        if self.code not in codes:
            raise ValueError(f"code must be one of {', '.join(map(str, codes))} on {self.where}")
        if self.code == 429 and self.acted:
            raise ValueError("acted does not go with code 429: what is refused for its rate is not done")
        if self.code != 429 and self.retry_after_ms != type(self).model_fields["retry_after_ms"].default:
            raise ValueError(f"retryAfter does not go with code {self.code}, only with 429")


class FaultsSpec(Spec):
    """The faults in force. With the same seed the same messages and requests, in the same order, meet the same ones."""

    seed: Whole = 7
    """Of what is left to chance."""
    inject: list[FaultSpec] = Field(default_factory=list, max_length=FAULTS_MAX)
    """Each strikes by itself."""
