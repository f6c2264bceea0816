"""The six conditions of a TradingSystem, from what was found."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from tradingmesh_operator import needs
from tradingmesh_operator.actions import Plan, Problem
from tradingmesh_operator.errors import ADVICE
from tradingmesh_operator.objects import CONFIG_HASH, Manifest
from tradingmesh_operator.observed import Observed, Pod
from tradingmesh_operator.rollout import RISK_MANAGER, component_of, rolled_out, taken_up

_MESSAGE_MAX = 1_000
LATE_S = 15.0
"""A pod hears of a new manifest within a second or two. One that has not acknowledged it by then is told of."""

_UNACKNOWLEDGED = ("Pending", "NotAcknowledged")
"""In time, and late."""


class Condition(NamedTuple):
    """One condition: `status` is True, False or Unknown."""

    type: str
    status: str
    reason: str
    message: str


def conditions(
    system: Manifest,
    observed: Observed,
    plan: Plan,
    problems: Iterable[Problem],
    workloads: list[Manifest],
    now: datetime,
) -> tuple[Condition, ...]:
    """All six, in their usual order; `problems` are reasons and messages of what was refused."""
    told = tuple(problems)
    missing = tuple(needs.missing(system, observed.secrets))
    reconciled = _reconciled(plan, told)
    ready = _ready(observed, workloads, reconciled, missing)
    late = _unacknowledged_s(system, now) >= LATE_S
    rest = (_config(system, observed, workloads, late=late), _broker(system, observed), _halted(system, observed))
    refused = (reconciled,) if told else ()
    return ready, reconciled, *rest, _degraded(observed, missing, refused, plan.concerns)


def merged(
    new: Iterable[Condition], before: Iterable[dict[str, Any]], generation: int, now: datetime
) -> list[dict[str, Any]]:
    """As status has them: the time of a transition changes only with the status itself."""
    old = {condition["type"]: condition for condition in before}
    return [_entry(condition, old.get(condition.type, {}), generation, now) for condition in new]


def _entry(condition: Condition, old: dict[str, Any], generation: int, now: datetime) -> dict[str, Any]:
    same = old.get("status") == condition.status
    return {
        **condition._asdict(),
        "message": condition.message[:_MESSAGE_MAX],
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"] if same else now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _reconciled(plan: Plan, problems: tuple[tuple[str, str], ...]) -> Condition:
    if plan.state == "Paused":
        message = "nothing is changed while the annotation tradingmesh.io/paused is true"
        return Condition("Reconciled", "Unknown", "Paused", message)
    if problems:
        reason, message = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        advice = f": {ADVICE[reason]}" if reason in ADVICE else ""
        return Condition("Reconciled", "False", reason, f"{message}{advice}{more}")
    if plan.state == "Draining":
        return Condition("Reconciled", "False", "Draining", "the system is deleted; see its events")
    if plan.held:
        message = f"{', '.join(plan.held)} wait until the risk manager is ready with its new settings"
        return Condition("Reconciled", "False", "WaitingForRiskManager", message)
    return Condition("Reconciled", "True", "AsSpecified", "every object is as the spec asks for")


def _ready(observed: Observed, workloads: list[Manifest], reconciled: Condition, missing: tuple[str, ...]) -> Condition:
    if reconciled.status == "False":
        return Condition("Ready", "False", reconciled.reason, reconciled.message)
    late = [_how_many(workload) for workload in workloads if not rolled_out(workload)]
    if not workloads or not all(map(taken_up, workloads)):
        return Condition("Ready", "False", "RollingOut", "components are being made or changed")
    if not late:
        return Condition("Ready", "True", "EveryComponentReady", f"{len(workloads)} components are ready")
    why = "; ".join(f"{pod.component}: {pod.problem}" for pod in observed.pods if pod.problem)
    reason = "SecretMissing" if missing else "ComponentsNotReady"
    told = (", ".join(late), ", ".join(missing), why)
    return Condition("Ready", "False", reason, "; ".join(part for part in told if part))


def _how_many(workload: Manifest) -> str:
    ready, wanted = workload.get("status", {}).get("readyReplicas", 0), workload["spec"].get("replicas", 1)
    return f"{component_of(workload)} {ready}/{wanted}"


def _unacknowledged_s(system: Manifest, now: datetime) -> float:
    """For how long a generation has waited to be acknowledged; 0 where none did."""
    told: list[dict[str, Any]] = system.get("status", {}).get("conditions", [])
    before: dict[str, Any] = next((one for one in told if one["type"] == "ConfigInSync"), {})
    if before.get("reason") not in _UNACKNOWLEDGED:
        return 0.0
    return (now - datetime.fromisoformat(before["lastTransitionTime"])).total_seconds()


def _config(system: Manifest, observed: Observed, workloads: list[Manifest], *, late: bool) -> Condition:
    """In sync: each pod that runs says that it has the newest generation in force, as far as it uses what is in it."""
    generation, answering = system["metadata"].get("generation"), [pod for pod in _staying(observed) if pod.configz]
    refused = [f"{pod.name}: {pod.refusal}" for pod in answering if pod.refusal]
    if refused:
        return Condition("ConfigInSync", "False", "ManifestRefused", "; ".join(refused) + "; what was before holds")
    if RISK_MANAGER not in {pod.component for pod in answering}:
        return Condition("ConfigInSync", "Unknown", "NoAnswer", "no risk manager answers")
    old = sorted({pod.name for pod in _outdated(observed, workloads)})
    if old:
        return Condition("ConfigInSync", "False", "RollingOut", f"{', '.join(old)} will restart with the new settings")
    stuck = [f"{pod.name} ({', '.join(pod.pending)})" for pod in answering if pod.pending]
    if stuck:
        message = f"{'; '.join(stuck)} began with an older manifest than its template's: delete the pod"
        return Condition("ConfigInSync", "False", "RestartNeeded", message)
    behind = sorted(pod.name for pod in answering if pod.generation != generation)
    if behind:
        message = f"generation {generation} is not acknowledged yet by {', '.join(behind)}"
        if late:
            message += f", after more than {LATE_S:.0f} s: what was before holds there; see the pod's log"
        return Condition("ConfigInSync", "False", _UNACKNOWLEDGED[late], message)
    silent = sorted(pod.name for pod in _staying(observed) if pod.was_asked and pod.configz is None)
    if silent:
        message = f"no answer of {', '.join(silent)}: what is in force there is not known"
        return Condition("ConfigInSync", "Unknown", "NoAnswer", message)
    return Condition("ConfigInSync", "True", "Acknowledged", f"generation {generation} is in force")


def _outdated(observed: Observed, workloads: list[Manifest]) -> Iterator[Pod]:
    wanted = {
        component_of(workload): workload["spec"]["template"]["metadata"].get("annotations", {}).get(CONFIG_HASH, "")
        for workload in workloads
    }
    return (pod for pod in _staying(observed) if pod.config_hash != wanted.get(pod.component, pod.config_hash))


def _staying(observed: Observed) -> list[Pod]:
    return [pod for pod in observed.pods if not pod.leaving]


def _broker(system: Manifest, observed: Observed) -> Condition:
    told = [pod.status.get("broker", {}) for pod in observed.of("execution-engine") if pod.configz is not None]
    if not told:
        return Condition("BrokerInSync", "Unknown", "NoAnswer", "no execution engine answers")
    bad = [broker for broker in told if not broker.get("in_sync")]
    if bad:
        message = str(bad[0].get("reason") or "not reconciled yet")
        return Condition("BrokerInSync", "False", "OutOfSync", message)
    kind = system["spec"].get("broker", {}).get("kind", "simulator")
    return Condition("BrokerInSync", "True", "Agrees", f"orders and positions agree with the {kind}'s")


def _halted(system: Manifest, observed: Observed) -> Condition:
    """What the risk manager has in force: that the spec halts stops no order yet."""
    asked = system["spec"].get("trading", "Active")
    status = next((pod.status for pod in observed.of(RISK_MANAGER) if pod.status), {})
    breaker = status.get("breaker", {})
    if not status:
        return Condition("TradingHalted", "Unknown", "NoAnswer", f"no risk manager answers; spec.trading is {asked}")
    if status.get("manifest_trading") == "Halted":
        return Condition("TradingHalted", "True", "Manifest", "trading is halted by spec.trading")
    if status.get("switch") == "Halted":
        return Condition("TradingHalted", "True", "Command", "halted by command; `tradingmesh resume` takes it back")
    if breaker.get("state") == "Open":
        return Condition("TradingHalted", "True", "BreakerOpen", str(breaker.get("reason", "")))
    trading = f"trading is {status.get('trading', asked)}"
    if asked == "Halted":
        message = f"{trading}: the risk manager has not taken spec.trading, which is Halted, yet"
        return Condition("TradingHalted", "False", "Pending", message)
    return Condition("TradingHalted", "False", "Trading", trading)


def _degraded(
    observed: Observed, missing: tuple[str, ...], refused: tuple[Condition, ...], concerns: tuple[Problem, ...]
) -> Condition:
    """The worst that is known: what was refused, what is missing, what fails, what is not as asked for."""
    wrong = [f"{pod.name}: {pod.problem}" for pod in observed.pods if pod.problem and not pod.leaving]
    if refused:
        return refused[0]._replace(type="Degraded", status="True")
    if missing:
        return Condition("Degraded", "True", "SecretMissing", "; ".join([*missing, *wrong]))
    if wrong:
        return Condition("Degraded", "True", "ComponentsFail", "; ".join(wrong))
    if concerns:
        return Condition("Degraded", "True", *concerns[0])
    return Condition("Degraded", "False", "AllWell", "nothing is known to be wrong")
