"""A tape of trades through strategy, every risk check, simulated fills and ledger, in one process.

The shared tape of IBM where it is, else a generated one; read into memory before the clock starts.
"""

import gc
import time
from functools import partial
from pathlib import Path

from tradingmesh.adapters.tape import GENERATED, open_tape
from tradingmesh.bench.figures import ROUNDS, Goal, Report, medians, row
from tradingmesh.contract import TradingSystemSpec
from tradingmesh.core.market import Tick, Trade
from tradingmesh.core.replay.run import replay
from tradingmesh.core.signals.roster import Running
from tradingmesh.strategies.ema_crossover import EmaCrossover

SYMBOL = "IBM"
SHARED = Path(__file__).parents[3].parent / "shared" / "data"
GENERATED_MS = 600_000
_LIMITS = {
    "maxOrderQuantity": 1000,
    "maxOrderNotional": "1000000",
    "maxPositionQuantity": 2000,
    "maxPositionNotional": "1000000",
    "maxGrossNotional": "2000000",
    "maxDailyLoss": "500000",
    "maxOpenOrders": 20,
    "maxOrdersPerMinute": 1000,
    "priceCollarPercent": "10",
    "maxQuoteAge": "5s",
}


def run(*, rounds: int = ROUNDS, generated_ms: int = GENERATED_MS, shared: Path = SHARED) -> Report:
    """Trades a second."""
    name, trades = _trades(shared, generated_ms)
    measured = medians({"replay": partial(_trades_per_s, trades)}, rounds)["replay"]
    figure = f"{len(trades):,} trades, {name}"
    return Report("replay", rounds, [row(figure, "K/s", measured / 1e3, goal=Goal("value", 250))])


def _trades(shared: Path, generated_ms: int) -> tuple[str, list[Tick]]:
    if shared.is_dir():
        name, tape = "shared IBM tape", open_tape(str(shared), [SYMBOL])
    else:
        name, tape = "generated", open_tape(GENERATED, [SYMBOL], duration_ms=generated_ms)
    return name, [event for event in tape if isinstance(event, Trade)]


def _trades_per_s(trades: list[Tick]) -> float:
    spec = TradingSystemSpec.model_validate({"symbols": [SYMBOL], "riskLimits": _LIMITS})
    running = [Running("cross", frozenset([SYMBOL]), EmaCrossover(fast=10, slow=50, quantity=100))]
    gc.collect()
    began_ns = time.perf_counter_ns()
    result = replay(spec, running, trades)
    elapsed_ns = time.perf_counter_ns() - began_ns
    if result.trades != len(trades) or not result.fills:
        raise AssertionError(f"{result.trades} of {len(trades)} trades were played, {len(result.fills)} fills came")
    return len(trades) * 1e9 / elapsed_ns
