"""Bad input ends in exit code 2 and one line that names what is wrong, with nothing started."""

import socket
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.processes


def _refused(system: Any, *options: str) -> str:
    """The one line that `up` ends with, having started nothing."""
    done = system.run(*options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not system.data_dir.exists(), "something was started"
    assert not system.report_file.exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith("tradingmesh: ")
    return str(line.removeprefix("tradingmesh: ").removeprefix(f"{system.file}: "))


@pytest.mark.parametrize(
    ("where", "value", "sentence"),
    [
        (("fooBar",), 1, "spec.fooBar: unknown field"),
        (
            ("riskLimits", "maxOrderQuantity"),
            -1,
            "spec.riskLimits.maxOrderQuantity: must be greater than 0 (got -1)",
        ),
        (("symbols",), ["IBM", "BAC", "FARTOOLONG"], "spec.symbols[2]: 'FARTOOLONG' is longer than 8 bytes"),
        (
            ("fillProcessors",),
            {"autoscaling": {"minReplicas": 4, "maxReplicas": 2}},
            "spec.fillProcessors.autoscaling: minReplicas 4 is above maxReplicas 2",
        ),
        (
            ("mode",),
            "live",
            "spec: mode live trades real money: set acknowledgeLiveTrading: true",
        ),
    ],
)
def test_a_wrong_manifest_names_the_field(system: Any, where: tuple[str, ...], value: object, sentence: str) -> None:
    """The issue's own list of mistakes."""
    at = system.spec
    for name in where[:-1]:
        at = at[name]
    at[where[-1]] = value
    assert _refused(system) == sentence


def test_a_port_in_use_is_named_with_its_setting_and_its_holder(system: Any) -> None:
    """Which one, by whom, and where to choose another."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        system.spec["endpoints"]["riskCheck"]["port"] = port
        line = _refused(system)
    assert line.startswith(f"spec.endpoints.riskCheck.port: {port} is in use by ")


def test_a_tape_that_is_not_there_is_named(system: Any) -> None:
    """Before a process would fail to open it."""
    assert _refused(system, "--tape", "/nowhere/tape.zip") == "tape /nowhere/tape.zip: there is no such file or folder"


def test_a_tape_that_cannot_be_read_ends_the_run_with_its_reason(system: Any) -> None:
    """The simulator finds it, before any component is started; file and line are named."""
    tape = system.file.with_name("tape.csv")
    tape.write_text("this is no tape\n")
    done = system.run("--tape", str(tape))
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert str(tape) in line
    assert "risk-manager" not in done.stdout


def test_an_unknown_option_is_the_command_lines_own_error(system: Any) -> None:
    """Exit code 2 as well, and no stack trace."""
    done = system.run("--fast")
    assert done.returncode == 2
    assert "No such option: --fast" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_is_there_for_every_command() -> None:
    """And says what each is for."""
    told = subprocess.run(
        [sys.executable, "-m", "tradingmesh", "--help"], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    for command in ("up", "run", "status", "halt", "reduce", "resume", "reset-breaker", "tape", "bench"):
        assert f" {command} " in told
