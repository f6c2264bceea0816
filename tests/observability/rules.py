"""The alert rules: read, and asked of promtool with series that are made up."""

import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.observability.program import of_the_system, there

ALERTS = Path(__file__).parents[2] / "manifests" / "alerts.yaml"
INTERVAL_S = 15
_UNITS = {"s": 1, "m": 60, "h": 3_600}
Series = dict[str, str]
"""From a series, labels and all, to its values as promtool has them: `0+2x10` counts on by 2 ten times."""


def rules() -> dict[str, dict[str, Any]]:
    """Every rule by the name of its alert."""
    found = yaml.safe_load(ALERTS.read_text())
    return {rule["alert"]: rule for group in found["groups"] for rule in group["rules"]}


def write_rules(path: Path, *some: dict[str, Any]) -> Path:
    """A rule file of these."""
    path.write_text(yaml.safe_dump({"groups": [{"name": "some", "rules": list(some)}]}))
    return path


def fires(folder: Path, rule: dict[str, Any], series: Series, after_s: int) -> bool:
    """Whether the alert fires, that long after the series began, by promtool's own evaluation."""
    test = {
        "rule_files": [str(write_rules(folder / "rules.yaml", rule))],
        "evaluation_interval": f"{INTERVAL_S}s",
        "tests": [
            {
                "interval": f"{INTERVAL_S}s",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f'count(ALERTS{{alertname="{rule["alert"]}", alertstate="firing"}})',
                        "eval_time": f"{after_s}s",
                        "exp_samples": [{"labels": "{}", "value": 1}],
                    }
                ],
            }
        ],
    }
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump(test))
    promtool = there(lambda: of_the_system("promtool"))
    done = subprocess.run([promtool, "test", "rules", str(path)], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or "got: nil" in said, said
    return done.returncode == 0


def shortened(factor: int, **thresholds: str) -> list[dict[str, Any]]:
    """Every rule with its windows and its `for` that many times shorter, so that a test need not wait.

    `thresholds` name what else is to be another figure: from an alert to `old:new` in its expression.
    """
    made = []
    for alert, rule in rules().items():
        old, _, new = thresholds.get(alert, "").partition(":")
        assert old in rule["expr"]
        expr = re.sub(
            r"\[(\w+)\]", lambda window: f"[{_shorter(window[1], factor)}]", rule["expr"].replace(old, new or old)
        )
        made.append({**rule, "expr": expr, "for": _shorter(rule.get("for", "0s"), factor)})
    return made


def _shorter(told: str, factor: int) -> str:
    return f"{int(told[:-1]) * _UNITS[told[-1]] * 1_000 // factor}ms"
