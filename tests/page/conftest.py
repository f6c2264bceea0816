"""What the tests of the live page share: a mesh that trades, and a browser that looks at it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.packages import need
from tests.page.browser import Browser
from tests.page.trading_run import TradingRun

SHOTS = Path(__file__).parents[2] / "var" / "page"
NEEDED = ("chromium", "chromedriver", "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")


@pytest.fixture(scope="module")
def shots() -> Path:
    """Where the run keeps its screenshots, for a person to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    return SHOTS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, chromium: None) -> Iterator[TradingRun]:  # noqa: ARG001 - comes first
    """A mesh that trades. At its end nothing was lost or doubled, whatever was done to it meanwhile."""
    made = TradingRun(tmp_path_factory.mktemp("mesh"))
    yield made
    verdict = made.close()["verdict"]
    assert verdict == {"ok": True, "differences": []}


@pytest.fixture(scope="module")
def chromium() -> None:
    """The browser and its driver, installed where we may; elsewhere a failure in CI, or a skip that says what to do."""
    try:
        need(*NEEDED)
    except SystemExit as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, run: TradingRun) -> Iterator[Browser]:
    """A browser that has the page open, of a mesh that has begun to trade."""
    made = Browser(tmp_path_factory.mktemp("browser") / "chromium")
    try:
        made.wait(run.trades, "the mesh to trade", within_s=150.0)
        made.open(run.url)
        yield made
    finally:
        made.close()
