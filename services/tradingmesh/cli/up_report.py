"""The report of a run: its shape, its verdict, its JSON, and its summary for a person. Pure but for the writing."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tradingmesh.cli.up_audit import Account, Audit
from tradingmesh.cli.up_figures import Figures
from tradingmesh.core.errors import ConfigError
from tradingmesh.core.money import plain


class Ticks(msgspec.Struct, frozen=True):
    """Market data: what the feed published, what each subscriber received, and what they missed in all."""

    published: int
    received: dict[str, int]
    gaps: int


class Risk(msgspec.Struct, frozen=True):
    """What became of the signals; an approved one may still be refused when its order is about to be submitted."""

    approved: int
    refused: dict[str, int]


class Fills(msgspec.Struct, frozen=True):
    """The broker's fills, and what the ledger made of them. `redelivered` were sent again for want of an ack."""

    broker: int
    applied: int
    lost: int
    doubled: int
    redelivered: int


class Sides(msgspec.Struct, frozen=True):
    """One figure on both sides: exact, as text. The broker's is null where it was not compared."""

    ledger: Any
    broker: Any


class ComponentReport(msgspec.Struct, frozen=True):
    """One process: its memory at its largest, how long it took to be ready, its restarts, how it ended."""

    rss_mb: float
    ready_s: float | None
    restarts: int
    exit_code: int | None


class Verdict(msgspec.Struct, frozen=True):
    """Whether the run was right. `differences` say what was not."""

    ok: bool
    differences: tuple[str, ...]


class Report(msgspec.Struct, frozen=True):
    """Everything about one run of the mesh."""

    verdict: Verdict
    run: dict[str, Any]
    ticks: Ticks
    signals: int
    risk: Risk
    orders: int
    order_ends: dict[str, int]
    fills: Fills
    positions: Sides
    cash: Sides
    latency_us: dict[str, dict[str, float]]
    breaker: str
    components: dict[str, ComponentReport]


class Evidence(msgspec.Struct, frozen=True):
    """What a run leaves behind for its judgement. Without `broker` (paper, live) its account is not compared."""

    run: dict[str, Any]
    figures: Figures
    components: Mapping[str, ComponentReport]
    ledger: Account
    broker: Account | None
    audit: Audit
    lossless: bool
    problems: tuple[str, ...]
    """What went wrong on the way: a process that was lost or killed, a report set aside, a drain cut short."""


def judge(evidence: Evidence) -> Verdict:
    """Right is: the accounts are equal, every process ended with 0, and where nothing may be missed, nothing was."""
    differences = [*evidence.audit.differences, *evidence.problems]
    shown = evidence.figures.cash
    if shown and shown != plain(evidence.ledger.cash):
        differences.append(f"cash: the risk manager showed {shown}, its journal has {plain(evidence.ledger.cash)}")
    if evidence.lossless and evidence.figures.gaps:
        differences.append(f"{evidence.figures.gaps} ticks were missed at speed max, where none may be")
    for name, component in evidence.components.items():
        if component.exit_code != 0:
            differences.append(f"{name}: ended with {component.exit_code} instead of 0")
    return Verdict(not differences, tuple(differences))


def report_of(evidence: Evidence) -> Report:
    """The whole report."""
    figures, ledger, broker, audit = evidence.figures, evidence.ledger, evidence.broker, evidence.audit
    return Report(
        verdict=judge(evidence),
        run=evidence.run,
        ticks=Ticks(figures.published, figures.received, figures.gaps),
        signals=figures.signals,
        risk=Risk(figures.approved, figures.refused),
        orders=figures.orders,
        order_ends=figures.order_ends,
        fills=Fills(
            len(broker.fills) if broker else len(ledger.fills),
            len(ledger.fills),
            audit.lost,
            audit.doubled,
            figures.redelivered,
        ),
        positions=Sides(_positions(ledger), _positions(broker) if broker else None),
        cash=Sides(plain(ledger.cash), plain(broker.cash) if broker else None),
        latency_us=figures.latency_us,
        breaker=figures.breaker,
        components=dict(evidence.components),
    )


def write_report(report: Report, path: Path) -> None:
    """Writes it as JSON, whole or not at all. Raises `ConfigError` where it cannot be written."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"--report {path}: {error.strerror}") from None


def summary(report: Report) -> list[str]:
    """What happened, for a person: a few lines, the verdict last."""
    ticks, fills, refused = report.ticks, report.fills, report.risk.refused
    booked = f"{fills.applied:,} booked: {fills.lost:,} lost, {fills.doubled:,} doubled"
    lines = [
        f"ticks      {ticks.published:,} published, {ticks.gaps:,} missed",
        f"signals    {report.signals:,}: {report.risk.approved:,} approved, {sum(refused.values()):,} refused"
        + _listed(refused),
        f"orders     {report.orders:,}{_listed(report.order_ends)}",
        f"fills      {fills.broker:,} at the broker, {booked}, {fills.redelivered:,} sent again",
        f"positions  {_held(report.positions.ledger)}",
        f"cash       {report.cash.ledger}" + (f", at the broker {report.cash.broker}" if report.cash.broker else ""),
        f"breaker    {report.breaker}",
    ]
    if report.verdict.ok and report.cash.broker is None:
        return [*lines, "right: every fill that was heard of is booked once (the broker's account was not compared)"]
    if report.verdict.ok:
        return [*lines, "right: nothing lost, nothing doubled, the ledger is the broker's account"]
    return [*lines, *(f"WRONG: {difference}" for difference in report.verdict.differences)]


def _positions(account: Account) -> dict[str, str]:
    return {symbol: plain(quantity) for symbol, quantity in sorted(account.positions.items())}


def _held(positions: Mapping[str, str]) -> str:
    return ", ".join(f"{symbol} {quantity}" for symbol, quantity in positions.items()) or "flat"


def _listed(counts: Mapping[str, int]) -> str:
    parts: Iterable[str] = (f"{name} {count:,}" for name, count in sorted(counts.items()) if count)
    told = ", ".join(parts)
    return f" ({told})" if told else ""
