"""The model broker's REST API as alpaca-py's client would show it, and what goes wrong with it.

The adapter's own code runs on it, with all its threads, retries and waits: only HTTP and real time are not there.
"""

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import tradingmesh.adapters.alpaca_library  # noqa: F401 - must come before alpaca

# isort: split
import msgspec
from alpaca.common.exceptions import APIError
from requests import ConnectionError as NoConnectionError
from requests import ConnectTimeout, ReadTimeout

from tests.simulation.model_broker import Json, ModelBroker, RefusedError
from tests.simulation.plan import MS
from tradingmesh.adapters.alpaca_trading import READ_TIMEOUT_S
from tradingmesh.adapters.alpaca_trading_json import rfc3339, time_ns
from tradingmesh.testing.virtual_threads import sleep

if TYPE_CHECKING:
    from tests.simulation.process import Process

TIMEOUT_NS = int(READ_TIMEOUT_S * 1e9)
OUTAGE_CHANCE = 0.9
_PAGE_OF_FILLS = 100


def api_error(status: int, code: int, message: str) -> APIError:
    """What alpaca-py raises for an answer of that status."""
    text = msgspec.json.encode({"code": code, "message": message}).decode()
    answer = SimpleNamespace(response=SimpleNamespace(status_code=status, headers={}))
    return APIError(text, answer)  # type: ignore[no-untyped-call]  # theirs


class RestClient:
    """alpaca-py's client, as far as the adapter uses it: a call takes its time, and may fail before or after it acts.

    A request that is on its way acts also where nobody waits for its answer any more.
    """

    def __init__(self, process: "Process") -> None:
        self._world = process.world
        self._broker: ModelBroker = process.world.broker
        self._random = process.world.random
        self._watch = process.world.watch
        self._step = process.step
        self._fault_chance = process.world.plan.api_fault_chance

    def post(self, path: str, body: dict[str, str]) -> Json:
        """Places an order."""
        assert path == "/orders"
        self._watch.on_post(body["client_order_id"])
        answer: Json = self._answer(
            lambda: self._broker.submit(body).json(), may_be_late=self._broker.unique_client_ids
        )
        return answer

    def delete(self, path: str) -> None:
        """Cancels an order."""
        self._answer(lambda: self._broker.cancel(path.rpartition("/")[2]))

    def get(self, path: str, params: dict[str, Any] | None = None) -> Any:
        """The broker's time, the account, its positions, orders and fills."""
        asked = params or {}
        views: dict[str, Callable[[], Any]] = {
            "/clock": lambda: {"timestamp": rfc3339(self._broker.time.now_ns)},
            "/account": lambda: {"cash": str(self._broker.cash)},
            "/positions": self._broker.positions_json,
            "/orders": lambda: self._orders(asked),
            "/orders:by_client_order_id": lambda: self._one(asked["client_order_id"]),
            "/account/activities/FILL": lambda: self._fills(asked),
        }
        return self._answer(views.get(path) or (lambda: self._one(path.rpartition("/")[2])))

    def get_order_by_client_id(self, client_order_id: str) -> Json:
        """One order."""
        answer: Json = self._answer(lambda: self._one(client_order_id))
        return answer

    def _answer(self, act: Callable[[], Any], *, may_be_late: bool = False) -> Any:
        self._step("rest")
        chance = OUTAGE_CHANCE if self._broker.time.now_ns < self._broker.out_until_ns else self._fault_chance
        failing = self._world.trouble and self._random.random() < chance
        kind = self._random.random() if failing else 1.0
        if kind < 0.3:
            self._fail_before(kind)
        there_ns = self._random.randrange(1, 8) * MS
        if kind < 0.4 and may_be_late:
            there_ns += self._random.randrange(3_000) * MS + TIMEOUT_NS
        answers: list[Any] = []
        self._broker.time.after(there_ns, lambda: answers.append(self._act(act)))
        if kind < 0.5:
            sleep(TIMEOUT_NS / 1e9)
            raise ReadTimeout("no answer")
        sleep((there_ns + self._random.randrange(1, 8) * MS) / 1e9)
        self._step("rest")
        if kind < 0.8:
            raise NoConnectionError("connection reset")
        if kind < 1.0:
            raise api_error(500, 50010000, "internal server error, after it was done")
        if isinstance(answers[0], RefusedError):
            raise api_error(answers[0].status, answers[0].code, str(answers[0]))
        return answers[0]

    def _fail_before(self, kind: float) -> None:
        if kind < 0.1:
            raise ConnectTimeout("cannot connect")
        sleep(0.003)
        if kind < 0.2:
            raise api_error(429, 42910000, "too many requests")
        raise api_error(504, 50410000, "gateway timeout, nothing was done")

    def _act(self, act: Callable[[], Any]) -> Any:
        self._broker.stir()
        try:
            return act()
        except RefusedError as error:
            return error

    def _one(self, client_order_id: str) -> Json:
        found = self._broker.find(client_order_id) or self._broker.of_id(client_order_id)
        if found is None:
            raise RefusedError(404, 40410000, "order not found")
        return found.json()

    def _orders(self, params: dict[str, Any]) -> list[Json]:
        after_ns = time_ns(params["after"], "after") if "after" in params else 0
        shown = self._broker.orders if params["status"] == "all" else self._broker.working()
        return [order.json() for order in shown if order.created_ns > after_ns][: params["limit"]]

    def _fills(self, params: dict[str, Any]) -> list[Json]:
        after_ns = time_ns(params["after"], "after")
        rows = [fill.activity() for fill in self._broker.fills if fill.at_ns > after_ns]
        token = params.get("page_token")
        start = next((number + 1 for number, row in enumerate(rows) if row["id"] == token), 0)
        return rows[start : start + _PAGE_OF_FILLS]
