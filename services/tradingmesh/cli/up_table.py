"""How a run looks: the live table of a terminal, and the line for when there is none. Pure: figures in, text out."""

from decimal import Decimal

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tradingmesh.cli.up_figures import Figures
from tradingmesh.core.money import cents
from tradingmesh.core.stages import STAGES


def share_done(figures: Figures) -> float | None:
    """How much of the tape is played, from 0 to 1; None where its length is unknown."""
    return figures.tape_published / figures.tape_total if figures.tape_total else None


def line(figures: Figures, elapsed_s: float) -> str:
    """One look in one line."""
    done = share_done(figures)
    parts = [
        f"{elapsed_s:5.0f} s",
        f"tape {done:4.0%}" if done is not None else f"tape {figures.tape_published:,}",
        f"ticks {figures.published:,}",
        f"signals {figures.signals:,}",
        f"orders {figures.orders:,}",
        f"fills {figures.fills_applied:,}/{figures.fills_broker:,}",
        f"refused {sum(figures.refused.values()):,}",
        f"P&L {money(figures.day_profit)}",
        f"gaps {figures.gaps:,}",
    ]
    return "  ".join(parts)


def table(figures: Figures, heading: str, recent: list[str]) -> RenderableType:
    """One look as a screenful: tape, counts, positions, latencies, and what was said last."""
    parts: list[RenderableType] = [Text(heading, style="bold"), _tape(figures), _counts(figures)]
    if figures.positions:
        parts.append(_positions(figures))
    if figures.latency_us:
        parts.append(_latencies(figures))
    parts += [Text(said, style="dim") for said in recent]
    return Group(*parts)


def money(exact: str) -> str:
    """Dollars and cents for reading."""
    return f"{cents(Decimal(exact)):,.2f}" if exact else "-"


def _tape(figures: Figures) -> RenderableType:
    done = share_done(figures)
    row = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=1.0, completed=done, width=40) if done is not None else Text("")
    shown = f"{done:.0%}" if done is not None else f"{figures.tape_published:,} events"
    row.add_row(Text("tape"), bar, Text(shown), Text(figures.market_time[:19].replace("T", " ")))
    return row


def _counts(figures: Figures) -> RenderableType:
    grid = Table.grid(padding=(0, 3))
    refused = ", ".join(f"{check} {count:,}" for check, count in sorted(figures.refused.items()))
    received = min(figures.received.values(), default=0)
    grid.add_row("ticks", f"{figures.published:,}", f"{received:,} received by the slowest, {figures.gaps:,} missed")
    grid.add_row("signals", f"{figures.signals:,}", f"{figures.approved:,} approved")
    grid.add_row("refused", f"{sum(figures.refused.values()):,}", refused)
    grid.add_row("orders", f"{figures.orders:,}", f"{figures.orders_open:,} open")
    fills = f"{figures.fills_applied:,} booked, {figures.redelivered:,} sent again"
    grid.add_row("fills", f"{figures.fills_broker:,}", fills)
    grid.add_row("P&L", money(figures.day_profit), f"cash {money(figures.cash)}, equity {money(figures.equity)}")
    grid.add_row("breaker", figures.breaker or "-", "")
    return grid


def _positions(figures: Figures) -> RenderableType:
    shown = Table(box=None, padding=(0, 2), header_style="bold")
    for name in ("symbol", "quantity", "mark", "realised", "unrealised"):
        shown.add_column(name, justify="left" if name == "symbol" else "right")
    for held in figures.positions:
        quantity = f"{Decimal(held.quantity):,f}"
        shown.add_row(held.symbol, quantity, money(held.mark), money(held.realised), money(held.unrealised))
    return shown


def _latencies(figures: Figures) -> RenderableType:
    shown = Table(box=None, padding=(0, 2), header_style="bold")
    shown.add_column("latency")
    shown.add_column("p50 µs", justify="right")
    shown.add_column("p99 µs", justify="right")
    for stage, name in STAGES.items():
        if stage in figures.latency_us:
            measured = figures.latency_us[stage]
            shown.add_row(name, f"{measured['p50']:,.0f}", f"{measured['p99']:,.0f}")
    return shown
