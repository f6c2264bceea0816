"""How the broker's REST API is called: again after what was lost, and not at all while it does not answer."""

from typing import Self

from pydantic import Field, model_validator

from tradingmesh.contract.fields import DurationMs, Spec, Whole


class RetrySpec(Spec):
    """A call without an answer is made again, each time after twice the wait, with jitter; a refused one is not."""

    max_attempts: Whole = Field(default=5, ge=1, le=20)
    """How often a call is made at most, the first included."""
    initial_ms: DurationMs = Field(default=200, alias="initial")
    """The first wait."""
    max_ms: DurationMs = Field(default=2_000, alias="max", le=60_000)
    """The longest wait."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.initial_ms > self.max_ms:
            raise ValueError(f"initial {self.initial_ms} ms is above max {self.max_ms} ms")
        return self


class ApiCircuitBreakerSpec(Spec):
    """When calls to a broker that does not answer stop, and when one is tried again. Cancels are tried always."""

    failure_threshold: Whole = Field(default=5, ge=1, le=1_000)
    """So many calls of a kind lost in a row open the breaker."""
    recovery_timeout_ms: DurationMs = Field(default=5_000, alias="recoveryTimeout", ge=100, le=3_600_000)
    """After that long one question is let through, and its answer closes the breaker."""
