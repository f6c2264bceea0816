"""The example in `examples/` is what the README shows: it loads as its manifest says, and it trades."""

import subprocess
import sys
from pathlib import Path

from tradingmesh.adapters.strategy_loader import load_strategies
from tradingmesh.core.replay.run import replay
from tradingmesh.core.tape.generator import TapeSettings, generate
from tradingmesh.runtime.settings import load_manifest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_example_trades() -> None:
    """Over a generated tape it buys and sells, within its own limits, and holds at most one lot a symbol."""
    spec = load_manifest(EXAMPLES / "breakout.yaml").spec
    tape = generate(TapeSettings(tuple(spec.symbols), 7, 30_000, 200))
    result = replay(spec, load_strategies(spec, EXAMPLES), tape)
    assert {fill.side.value for fill in result.fills} == {"buy", "sell"}
    assert result.stopped == {}
    assert all(0 <= position.quantity <= 10 for position in result.positions.values())


def test_the_example_imports_nothing_of_the_services() -> None:
    """A strategy needs the core only: importing it brings neither sockets nor numpy."""
    told = subprocess.run(
        [sys.executable, "-c", "import breakout, sys; print({'zmq', 'numpy', 'pydantic'} & set(sys.modules))"],
        env={"PYTHONPATH": str(EXAMPLES)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert told.stdout.strip() == "set()"
