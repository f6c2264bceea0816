"""The programs of a cluster are found again by their notes, and nothing else is ever ended."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.cluster.processes import Processes, began


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    """Without any."""
    return Processes(tmp_path, tmp_path)


def test_what_was_started_is_found_and_ended(processes: Processes) -> None:
    """By another object as well, as by the next command."""
    assert processes.start("sleeper", ["sleep", "60"])
    pid = processes.running("sleeper")
    assert pid is not None
    assert processes.names() == ["sleeper"]
    processes.end("sleeper")
    assert processes.running("sleeper") is None
    assert began(pid) is None
    assert processes.names() == []


def test_what_runs_is_not_started_again(processes: Processes) -> None:
    """`up` may be called as often as one likes."""
    processes.start("sleeper", ["sleep", "60"])
    pid = processes.running("sleeper")
    assert not processes.start("sleeper", ["sleep", "60"])
    assert processes.running("sleeper") == pid
    processes.end("sleeper")


def test_what_has_ended_is_started_again(processes: Processes) -> None:
    """A program that died is missing, whatever its note says."""
    processes.start("sleeper", ["sleep", "60"])
    first = processes.running("sleeper")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    assert processes.running("sleeper") is None
    assert processes.start("sleeper", ["sleep", "60"])
    processes.end("sleeper")


def test_a_process_id_that_somebody_else_has_by_now_is_left_alone(processes: Processes, tmp_path: Path) -> None:
    """The note is of one that began at another moment; here it would be this test itself."""
    (tmp_path / "other.json").write_text(json.dumps({"pid": os.getpid(), "began": 1}))
    assert processes.running("other") is None
    processes.end("other", signal.SIGKILL)
    assert processes.names() == []


def test_one_that_does_not_listen_is_killed(processes: Processes) -> None:
    """After its time is up."""
    processes.start("deaf", ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    while "ready" not in processes.last_words("deaf"):
        assert processes.running("deaf")
    processes.end("deaf", within_s=0.2)
    assert processes.running("deaf") is None


def test_what_it_wrote_is_kept(processes: Processes) -> None:
    """Both of its outputs, and only the end is shown."""
    processes.start("talker", ["sh", "-c", "echo one; echo two >&2; sleep 60"])
    while "two" not in processes.last_words("talker"):
        assert processes.running("talker")
    assert processes.last_words("talker", 4) == "two\n"
    assert processes.log("talker").read_text() == "one\ntwo\n"
    processes.end("talker")


def test_of_a_stranger_there_are_no_last_words(processes: Processes) -> None:
    """And it does not run."""
    assert processes.last_words("nobody") == ""
    assert processes.running("nobody") is None
    processes.end("nobody")
