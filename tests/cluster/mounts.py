"""What containers leave mounted, and the control groups they leave behind."""

import os
import subprocess
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_PODS = "kubepods"


def below(folder: Path, mountinfo: str) -> list[str]:
    """The mount points under the folder, by /proc/self/mountinfo, the innermost first."""
    points = (line.split(" ")[4].encode().decode("unicode_escape") for line in mountinfo.splitlines())
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=len, reverse=True)


def undo(folder: Path) -> None:
    """Unmounts everything under the folder, and removes the pods' empty control groups."""
    for point in below(folder, Path("/proc/self/mountinfo").read_text()):
        subprocess.run(["umount", "--lazy", point], capture_output=True, timeout=30, check=False)
    for group in (*_GROUPS.glob(f"*/{_PODS}"), _GROUPS / _PODS):
        if group.is_dir():
            _remove(group)


def _remove(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        try:
            os.rmdir(folder)  # noqa: PTH106 - as os.walk has it
        except OSError:
            return  # a process is still in it: it is not empty, so it is left
