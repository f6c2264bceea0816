"""A process of a run ends with `tradingmesh up`, also where that is killed and cannot end it."""

import os
import signal
import sys

PARENT = "TRADINGMESH_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def end_with_parent() -> None:
    """Where `TRADINGMESH_PARENT_PID` names who started this process: SIGTERM once that is gone (Linux, prctl(2))."""
    parent = os.environ.get(PARENT)
    if parent is None or sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - only for this

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit(f"tradingmesh: {PARENT} {parent} is gone already")
