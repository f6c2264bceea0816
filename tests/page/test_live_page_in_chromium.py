"""The live page in a real browser, of a real mesh: what it shows is the broker's account, and it says when it cannot.

The tests go by the order they stand in: there is one mesh, and it is halted and harmed as they go on. Each first does
what it needs. The truth is the simulator's own account.
"""

import re
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.page.browser import Browser
from tests.page.trading_run import COLLECTOR, TradingRun

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

HALTED_WITHIN_MS = 2_000
"""It takes half a second where the machine has nothing else to do."""
STORE, RISK_MANAGER = "market-data-store", "risk-manager"
ENDED = {"filled", "canceled", "rejected", "expired"}
NO_FIGURE = "\u2013"
Account = tuple[Decimal, dict[str, Decimal]]

_ACCOUNT = """
const held = [...document.querySelectorAll("#positions tbody tr[data-key]")];
return [document.getElementById("cash").dataset.exact,
        Object.fromEntries(held.map((row) => [row.dataset.key, row.cells[1].dataset.exact]))];
"""
_NOTE_THE_HALT = """
const trading = document.getElementById("trading");
const note = () => { if (trading.textContent === "Halted") window.haltedMs ??= Date.now(); };
new MutationObserver(note).observe(trading, {childList: true, characterData: true, subtree: true});
"""
_CURVE = "return document.querySelector('#curve .line')?.getTotalLength() ?? 0"
_ROWS = """
return [...document.querySelectorAll("#%s tbody tr[data-key]")].map(
    (row) => ({key: row.dataset.key, cells: [...row.cells].map((cell) => cell.innerText), trace: row.lastChild.title}));
"""


def fills_of(browser: Browser, order: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in rows(browser, "fills") if row["key"] == order["key"]]


def is_complete(order: dict[str, Any], fills: list[dict[str, Any]]) -> bool:
    """Whether the fills are all that the order speaks of."""
    return sum(Decimal(fill["cells"][3]) for fill in fills) == Decimal(order["cells"][4])


def account(browser: Browser) -> Account | None:
    """Cash and positions as the page shows them; None before it does."""
    cash, held = browser.run(_ACCOUNT)
    if cash is None:
        return None
    return Decimal(cash), {symbol: Decimal(quantity) for symbol, quantity in held.items() if quantity != "0"}


def rows(browser: Browser, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.run(_ROWS % table)
    return found


def shown(browser: Browser, *elements: str) -> list[str]:
    return [browser.text(element) for element in elements]


def halt(browser: Browser, run: TradingRun) -> float:
    """Halts trading, if it is not yet, and waits until the page says so; when the command had been answered."""
    run.command("halt", "--reason", "a test")
    answered_ms = time.time() * 1_000
    browser.wait(lambda: browser.text("trading") == "Halted", "the page to show the halt")
    return answered_ms


def all_ended(browser: Browser) -> bool:
    """Whether every order on the page has ended, and of the newest each fill is there: their events come by and by."""
    orders = rows(browser, "orders")
    complete = all(is_complete(order, fills_of(browser, order)) for order in orders[:10])
    return complete and {order["cells"][5] for order in orders} <= ENDED


def shows_the_account(browser: Browser, run: TradingRun) -> Account:
    """Waits until page and broker agree, which they do for good once trading is halted."""
    browser.wait(lambda: account(browser) == run.account(), "the page to show the broker's account")
    shown = account(browser)
    assert shown is not None
    return shown


def test_up_tells_where_the_page_is(run: TradingRun, browser: Browser) -> None:
    """At its start, to be clicked on; the browser finds it there and hears of the mode."""
    assert f"live page, once metrics-collector is ready: {run.url}" in run.said()
    browser.wait(lambda: browser.text("link") == "live", "the page to be live")
    browser.wait(lambda: shown(browser, "mode", "trading", "breaker") == ["simulated", "Active", "Closed"], "the state")
    assert browser.run("return document.title") == "simulated · tradingmesh"


def test_an_order_and_its_fill_appear_as_they_come(browser: Browser) -> None:
    """A new order while one looks, its fill under the same trace, and both in the feed."""
    before = {row["key"] for row in rows(browser, "orders")}
    found: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []

    def filled() -> bool:
        new = [row for row in rows(browser, "orders") if row["key"] not in before and row["cells"][5] == "filled"]
        found[:] = [(order, fills_of(browser, order)) for order in new[-1:]]
        return bool(found and found[0][1]) and is_complete(*found[0])

    browser.wait(filled, "a new order to be filled, and its fills to be there")
    [(order, fills)] = found
    assert re.fullmatch("trace [0-9a-f]{32}", order["trace"])
    assert {row["trace"] for row in fills} == {order["trace"]}
    assert order["cells"][1:5] == [fills[0]["cells"][1], fills[0]["cells"][2], order["cells"][3], order["cells"][3]]
    browser.wait(lambda: {"OrderPlaced", "OrderFilled"} <= {row["key"] for row in rows(browser, "feed")}, "the feed")


def test_the_rest_of_the_mesh_is_in_sight(browser: Browser, shots: Path) -> None:
    """Every component ready, the stages of a tick's way measured, each symbol's price, the curve drawn."""

    def all_ready() -> bool:
        states = [row["cells"][1] for row in rows(browser, "components")]
        return len(states) == 9 and set(states) == {"ready"}

    browser.wait(all_ready, "every component to be ready")
    wanted = {"feed", "tick_to_signal", "risk-check", "order_ready", "order_post", "report-apply"}
    browser.wait(lambda: wanted <= {row["key"] for row in rows(browser, "stages")}, "every stage to be measured")
    assert all(re.fullmatch(r"[\d.]+ (µs|ms|s)", row["cells"][3]) for row in rows(browser, "stages"))

    def all_priced() -> bool:
        return all(re.fullmatch(r"\d+\.\d{2,}", row["cells"][1]) for row in rows(browser, "market"))

    browser.wait(all_priced, "a trade of every symbol")
    assert [row["cells"][0] for row in rows(browser, "market")] == ["BAC", "IBM", "KO"]
    browser.wait(lambda: browser.run(_CURVE) > 100, "the curve to be drawn")
    for scheme in ("light", "dark"):
        browser.screenshot(shots / f"trading-{scheme}.png", scheme)


def test_gaps_are_counted(browser: Browser, run: TradingRun) -> None:
    """Who stood still until its link was given up has missed ticks: the page says how many, and who."""

    def store() -> list[str]:
        [row] = [row for row in rows(browser, "components") if row["key"] == STORE]
        return list(row["cells"])

    def missed() -> int:
        return int(store()[2].replace(",", ""))

    before = missed()
    with run.standing_still(STORE):
        browser.wait(lambda: store()[1] == "silent", "it to be silent")
    browser.wait(lambda: missed() > before, "the gap to be counted")
    browser.wait(lambda: int(browser.text("gaps").replace(",", "")) >= missed() > 0, "the sum")
    browser.wait(lambda: "SubscriberSlow" in {row["key"] for row in rows(browser, "feed")}, "the feed to say so")


def test_a_halt_is_seen_soon(browser: Browser, run: TradingRun, shots: Path) -> None:
    """As soon as the command has been answered, or shortly after, by the page's own note; and why no order goes."""
    browser.run(_NOTE_THE_HALT)
    answered_ms = halt(browser, run)
    seen_ms = browser.run("return window.haltedMs")
    assert seen_ms - answered_ms < HALTED_WITHIN_MS
    browser.wait(lambda: "No new orders" in browser.text("notice"), "the page to say why")
    browser.screenshot(shots / "halted.png")


def test_positions_and_cash_are_the_brokers_account(browser: Browser, run: TradingRun) -> None:
    """To the last digit, once trading stands still; what is read is that figure, cut to cents."""
    halt(browser, run)
    cash, _ = shows_the_account(browser, run)
    cents = f"{int(cash * 100) / Decimal(100):,.2f}"
    assert browser.text("cash") == cents


def test_who_reloads_sees_the_same(browser: Browser, run: TradingRun) -> None:
    """The page remembers nothing: all it shows comes from the collector."""
    halt(browser, run)
    before = shows_the_account(browser, run)
    browser.wait(lambda: all_ended(browser), "the last order to have ended")
    orders, fills = rows(browser, "orders"), rows(browser, "fills")
    browser.reload()
    browser.wait(lambda: rows(browser, "fills"), "the page to be there again")
    assert account(browser) == before
    assert (rows(browser, "orders"), rows(browser, "fills")) == (orders, fills)
    assert browser.text("trading") == "Halted"


def test_it_fetches_nothing_else_and_says_nothing(browser: Browser, run: TradingRun) -> None:
    """Its five files and the stream, from the collector; no word in the console; no connection off this machine."""
    assert browser.console() == []
    assert browser.requested() <= {run.url, *(run.url + name for name in FILES)}
    assert browser.strangers() == set()


FILES = ("page.css", "page.js", "curve.js", "icon.svg", "events")


def test_a_lost_collector_is_said_and_comes_back(browser: Browser, run: TradingRun, shots: Path) -> None:
    """Killed, it leaves a page that says it is disconnected; started again, one that is right, without a reload."""
    halt(browser, run)
    before = shows_the_account(browser, run)
    browser.console()
    with run.without_collector():
        browser.wait(lambda: browser.text("link") == "disconnected", "the page to be disconnected")
        assert "disconnected from the metrics-collector" in browser.text("notice")
        browser.screenshot(shots / "disconnected.png")
    browser.wait(lambda: browser.text("link") == "live", "the page to be live again")
    browser.wait(lambda: account(browser) == before == run.account(), "the account to be right again")
    browser.wait(lambda: browser.text("trading") == "Halted", "the halt to be known again")
    assert f"{COLLECTOR}: started again, restart 1" in run.said()
    assert all("net::ERR_" in said for said in browser.console())
    assert browser.strangers() == set()


def test_a_silent_risk_manager_is_said(browser: Browser, run: TradingRun) -> None:
    """What it told last stays, and is said to be old; a collector that begins meanwhile knows and shows none of it."""
    halt(browser, run)
    before = shows_the_account(browser, run)
    with run.standing_still(RISK_MANAGER):
        browser.wait(lambda: browser.text("positions-heard").startswith("as of "), "the ledger to be old")
        browser.wait(lambda: shown(browser, "trading", "breaker") == ["Halted?", "Closed?"], "the state to be in doubt")
        assert "ledger was its last word" in browser.text("notice")
        assert account(browser) == before
        with run.without_collector():
            browser.wait(lambda: browser.text("link") == "disconnected", "the page to be disconnected")
        browser.wait(lambda: browser.text("link") == "live", "the page to be live again")
        unknown = [NO_FIGURE, NO_FIGURE, "unknown", "unknown"]
        browser.wait(lambda: shown(browser, "cash", "equity", "trading", "breaker") == unknown, "nothing to be known")
        assert account(browser) is None
        assert browser.run(_CURVE) == 0
        assert browser.run("return document.getElementById('notice').hidden")
    browser.wait(lambda: account(browser) == before == run.account(), "the account to be right again")
    browser.wait(lambda: shown(browser, "trading", "positions-heard") == ["Halted", ""], "all to be new again")
