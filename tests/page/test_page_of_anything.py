"""What the page makes of whatever it is told, in a real browser: text stays text, and a time is one of the day."""

import datetime as dt
from collections.abc import Iterator

import msgspec
import pytest

from tests.page.browser import HOST, Browser
from tests.unit.page_told import beat, filled, ledger, lost, placed, refused, rejected, trouble
from tradingmesh.contract import TradingState
from tradingmesh.core.events import StageLatency, SystemEvent
from tradingmesh.core.page.rows import SymbolRow
from tradingmesh.core.page.sections import snapshot
from tradingmesh.core.page.state import Look, begin, step
from tradingmesh.core.risk.breaker import BreakerState
from tradingmesh.core.trading_status import TradingStatus, Withdraw
from tradingmesh.metrics_collector.page_board import Board
from tradingmesh.metrics_collector.page_server import PageServer

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

EVIL = "<img src=x onerror=\"document.title='taken'\"><b>x</b>"
ACTIVE = TradingState.ACTIVE
NOW_NS = 1_700_000_000_000_000_000


class Page:
    """A page that shows what the test lets it hear, and a browser that looks at it."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self._board = Board()
        self._server = PageServer(self._board, lambda: None, lambda: None)
        self._url = f"http://{HOST}:{self._server.start(HOST, 0)}/"

    def show(self, *heard: SystemEvent | Look) -> None:
        """Opens it, once all of it was heard."""
        state = begin(NOW_NS, "simulated")
        for one in heard:
            state = step(state, one)
        self._board.pin({name: msgspec.json.encode(told) for name, told in snapshot(state).items()})
        self.browser.open(self._url)
        self.browser.wait(lambda: self.browser.text("link") == "live", "the page to be live")

    def close(self) -> None:
        """Serves no more."""
        self._server.close()


@pytest.fixture(scope="module")
def lonely_browser(tmp_path_factory: pytest.TempPathFactory, chromium: None) -> Iterator[Browser]:  # noqa: ARG001
    """One without a mesh."""
    made = Browser(tmp_path_factory.mktemp("browser") / "chromium")
    yield made
    made.close()


@pytest.fixture
def page(lonely_browser: Browser) -> Iterator[Page]:
    made = Page(lonely_browser)
    yield made
    made.close()


def test_text_is_text(page: Page) -> None:
    """Symbol, reason or name: it is read as it was told, and is no markup. The console is silent."""
    status = TradingStatus(ACTIVE, ACTIVE, ACTIVE, BreakerState.OPEN, EVIL, 0, False, EVIL, Withdraw.NONE)  # noqa: FBT003
    events = (
        placed(EVIL),
        rejected(EVIL),
        filled(EVIL, "1", symbol=EVIL),
        refused(EVIL, EVIL),
        lost(EVIL, 1, EVIL),
        trouble(EVIL),
        ledger(EVIL, profit=EVIL, positions={EVIL: EVIL}),
        beat(EVIL, 1, StageLatency(EVIL, 1.0, 2.0, 3), why=(EVIL,)),
    )
    page.show(*events, Look(NOW_NS, status, symbols=(SymbolRow(EVIL, EVIL, 1),)))
    browser = page.browser
    browser.wait(lambda: EVIL in browser.text("feed"), "the feed")
    for element in ("notice", "positions", "market", "components", "stages", "fills", "cash"):
        assert EVIL in browser.text(element)
    assert browser.run("return document.querySelectorAll('img, b, a, iframe, script:not([src])').length") == 0
    assert browser.text("mode") == "simulated"
    assert browser.run("return document.title") == "simulated · tradingmesh"
    assert browser.console() == []


def test_a_day_begins_at_zero(page: Page) -> None:
    """Midnight is no 24th hour."""
    midnight = dt.datetime.now().astimezone().replace(hour=0, minute=0, second=5, microsecond=0)
    page.show(Look(int(midnight.timestamp()) * 10**9))
    assert page.browser.text("clock") == "00:00:05"
