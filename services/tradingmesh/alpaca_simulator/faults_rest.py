"""`/simulator/faults`: what goes wrong, shown, replaced and cleared while the simulator runs."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from tradingmesh.alpaca_simulator import refusals
from tradingmesh.alpaca_simulator.faults import Faults
from tradingmesh.alpaca_simulator.http import answer
from tradingmesh.contract import FaultKind, FaultPlace, FaultsSpec
from tradingmesh.core.errors import ConfigError
from tradingmesh.runtime.settings import parse_spec

PATH = "/simulator/faults"
_TICK_S = 0.001
"""A timer may fire a tick of the clock early."""

Cut = Callable[[], None]


class FaultsRest:
    """The handlers, and the moments at which a cut begins; `cut` closes the connections of a stream."""

    def __init__(self, faults: Faults, cut: Mapping[FaultPlace, Cut]) -> None:
        self._faults = faults
        self._cut = cut
        self._beginnings: list[asyncio.TimerHandle] = []

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get(PATH, self.show, allow_head=False),
            web.put(PATH, self.replace),
            web.delete(PATH, self.clear),
        ]

    async def begin(self, app: web.Application) -> None:  # noqa: ARG002 - the shape of a hook
        """Starts the faults' time; those of the manifest begin with the server."""
        self._inject(self._faults.spec)

    async def show(self, request: web.Request) -> web.Response:  # noqa: ARG002 - the shape of a handler
        """The faults in force, and in `struck` how often each met something."""
        spec = self._faults.spec
        inject = [fault.model_dump(mode="json", by_alias=True, exclude_defaults=True) for fault in spec.inject]
        return answer({"seed": spec.seed, "inject": inject, "struck": self._faults.struck})

    async def replace(self, request: web.Request) -> web.Response:
        """Takes a FaultsSpec; without a seed the present one stays. What does not fit changes nothing."""
        self._inject(_read(await request.read(), self._faults.spec.seed))
        return await self.show(request)

    async def clear(self, request: web.Request) -> web.Response:
        """Nothing goes wrong from now on; what is held back still comes when it is due."""
        self._inject(FaultsSpec(seed=self._faults.spec.seed))
        return await self.show(request)

    def _inject(self, spec: FaultsSpec) -> None:
        self._faults.inject(spec)
        for beginning in self._beginnings:
            beginning.cancel()
        later = asyncio.get_running_loop().call_later
        cuts = [fault for fault in spec.inject if fault.what is FaultKind.CUT]
        self._beginnings = [later(fault.after_ms / 1_000 + _TICK_S, self._cut[fault.where]) for fault in cuts]


def _read(raw: bytes, seed: int) -> FaultsSpec:
    try:
        told: Any = json.loads(raw)
        content = {"seed": seed, **told} if isinstance(told, dict) else told
        return parse_spec(FaultsSpec, content, source="faults")
    except (ValueError, RecursionError):
        raise refusals.malformed() from None
    except ConfigError as error:
        raise refusals.unprocessable(str(error)) from None
