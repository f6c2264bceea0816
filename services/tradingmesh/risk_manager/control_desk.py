"""Answers commands (REP): status for anybody; halt, reduce, resume, flatten, reset-breaker for who knows the token."""

import hmac
from typing import Any

import msgspec
import zmq

from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel, TradingState
from tradingmesh.core.errors import InputError, WireError
from tradingmesh.core.risk.core import RiskCore
from tradingmesh.core.risk.status import status_of
from tradingmesh.risk_manager.check_desk import CheckDesk
from tradingmesh.risk_manager.recorder import Recorder
from tradingmesh.runtime.component import Context
from tradingmesh.wire.messages import CONTROL_REQUEST, CONTROL_RESPONSE, ControlRequest, ControlResponse

TURN_MAX = 10
CHANGES = frozenset({"halt", "reduce", "resume", "flatten", "reset-breaker"})
SWITCHES = {"halt": TradingState.HALTED, "reduce": TradingState.REDUCING, "resume": TradingState.ACTIVE}


class ControlDesk:
    """Carries out one command after the other; each is on disk before it is answered."""

    def __init__(self, context: Context, core: RiskCore, checks: CheckDesk, recorder: Recorder) -> None:
        self._core = core
        self._checks = checks
        self._recorder = recorder
        self._now_ns = context.clock.now_ns
        self._log = context.log
        self._token = context.settings.control_token.get_secret_value().encode()
        self._socket = context.sockets.rep(Channel.CONTROL)
        self._sender = Sender(CONTROL_RESPONSE, context.settings.instance, context.epoch)
        self._malformed = context.metrics.counter("messages_malformed", channel=Channel.CONTROL)
        self._denied = context.metrics.counter("control_denied")
        context.loop.on_readable(self._socket, self.drain)

    def drain(self) -> None:
        """Answers what waits."""
        for _ in range(TURN_MAX):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                response = self._carry_out(read(CONTROL_REQUEST, frames)[1])
            except WireError as error:
                self._malformed.inc()
                response = ControlResponse(ok=False, message=str(error))
            self._socket.send_multipart(self._sender.frames(response, self._now_ns()))

    def status(self) -> dict[str, Any]:
        """The state as JSON-able values, with what was approved and refused since this process began."""
        status: dict[str, Any] = msgspec.to_builtins(status_of(self._core.state))
        refused = {check.value: counter.value for check, counter in self._checks.refused.items() if counter.value}
        return {**status, "approved": self._checks.approved.value, "refused": refused}

    def _carry_out(self, request: ControlRequest) -> ControlResponse:
        if request.command == "status":
            return ControlResponse(ok=True, message="", state=self.status())
        if request.command not in CHANGES:
            return ControlResponse(ok=False, message=f"there is no command {request.command!r}")
        if not self._token or not hmac.compare_digest(request.token.encode(), self._token):
            self._denied.inc()
            self._log.warning("command denied", command=request.command)
            return ControlResponse(ok=False, message=self._why_denied())
        return self._change(request)

    def _why_denied(self) -> str:
        if not self._token:
            return "denied: the risk manager has no TRADINGMESH_CONTROL_TOKEN, so it takes no commands"
        return "denied: the token is wrong (TRADINGMESH_CONTROL_TOKEN)"

    def _change(self, request: ControlRequest) -> ControlResponse:
        try:
            if request.command == "reset-breaker":
                self._core.reset_breaker(self._now_ns())
            elif request.command == "flatten":
                self._core.flatten(request.symbol)
            else:
                self._core.set_switch(SWITCHES[request.command])
        except InputError as error:
            return ControlResponse(ok=False, message=str(error), state=self.status())
        written = self._recorder.write()
        state = self._core.state
        message = (
            f"trading is {state.trading.value} (manifest {state.manifest_trading.value}, switch {state.switch.value}), "
            f"the circuit breaker is {state.breaker.state.value}"
        )
        if state.flatten.active:
            message += f"; flatten {state.flatten.number} closes {state.flatten.symbol or 'every position'}"
        if not written:
            message += f"; not on disk yet, so a restart would forget it: {self._recorder.problem}"
        self._log.warning("command", command=request.command, reason=request.reason, now=message)
        return ControlResponse(ok=True, message=message, state=self.status())
