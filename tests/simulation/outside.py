"""What is outside the mesh and talks to it: the feed of market data, and a person who halts and resumes."""

from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING

import zmq

from tests.simulation.plan import MS, SYMBOLS
from tests.simulation.process import TOKEN
from tradingmesh.adapters.zmq_messages import Sender, read
from tradingmesh.contract import Channel, Component
from tradingmesh.core.ids import MessageIds
from tradingmesh.core.market import Quote
from tradingmesh.core.money import to_e4
from tradingmesh.testing.virtual_sockets import VirtualSockets
from tradingmesh.testing.virtual_time import VirtualClock
from tradingmesh.wire.header import encode_header
from tradingmesh.wire.market import encode, topic_of
from tradingmesh.wire.messages import CONTROL_REQUEST, CONTROL_RESPONSE, ControlRequest

if TYPE_CHECKING:
    from tests.simulation.world import World

EPOCH = 1
ASK_AGAIN_NS = 1_500 * MS
SPREAD = Decimal("0.02")


class Feed:
    """A market that walks at random, quoted to whoever subscribes."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._clock = VirtualClock(world.time)
        self._socket = VirtualSockets(Component.MARKET_DATA_FEED, world.network, lambda _: None).pub(
            Channel.MARKET_DATA
        )
        self._ids = MessageIds("feed", EPOCH)
        self._sequences = dict.fromkeys(SYMBOLS, 0)
        world.broker.prices = {symbol: Decimal(50) for symbol in SYMBOLS}

    def begin(self) -> None:
        """Quotes from now on."""
        for symbol in SYMBOLS:
            self._world.time.after(self._world.random.randrange(100) * MS, self._quote, symbol)

    def shock(self, symbol: str, by: Decimal) -> None:
        """The price jumps."""
        prices = self._world.broker.prices
        prices[symbol] = max(prices[symbol] + by, Decimal(10))

    def _quote(self, symbol: str) -> None:
        world = self._world
        world.time.after(world.quote_every_ns, self._quote, symbol)
        self.shock(symbol, Decimal(world.random.randrange(-5, 6)).scaleb(-2))
        mid, now_ns = world.broker.prices[symbol], self._clock.now_ns()
        market_ns = self._clock.monotonic_ns() if world.plan.tape_time else now_ns
        kind, payload = encode(Quote(symbol, to_e4(mid - SPREAD), to_e4(mid + SPREAD), 100, 100, market_ns))
        self._sequences[symbol] = sequence = self._sequences[symbol] + 1
        message_id = self._ids.take()
        header = encode_header(kind, EPOCH, sequence, now_ns, message_id, trace_id=message_id)
        self._socket.send_multipart([topic_of(symbol), header, payload])


class Person:
    """Sends a command until it is answered; a newer command takes the place of one without an answer."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._socket = VirtualSockets(None, world.network, lambda _: None).req(Channel.CONTROL)
        self._socket.on_arrival = self._take_answer
        self._sender = Sender(CONTROL_REQUEST, "person", EPOCH)
        self.waits_for = ""

    def command(self, name: str) -> None:
        """Wants something done."""
        self.waits_for = name
        if name != "halt":
            self._world.watch.halted = False
        self._ask(name)

    def _ask(self, name: str) -> None:
        if self.waits_for != name:
            return
        now_ns = self._world.time.now_ns
        with suppress(zmq.Again):
            self._socket.send_multipart(self._sender.frames(ControlRequest(name, TOKEN), now_ns))
        self._world.time.after(ASK_AGAIN_NS, self._ask, name)

    def _take_answer(self) -> None:
        try:
            response = read(CONTROL_RESPONSE, self._socket.recv_multipart()).body
        except zmq.ZMQError:  # an answer to what is not waited for any more
            return
        if response.ok and self.waits_for == "halt":
            self._world.watch.halted = "not on disk" not in response.message
        self.waits_for = ""
