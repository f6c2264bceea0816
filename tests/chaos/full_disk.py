"""A disk of its own for a component's folder, to be filled and emptied."""

import resource
import subprocess
from pathlib import Path

import psutil


class FullDisk:
    """A disk for a folder, which can be filled and emptied; without root, a limit on a process's files."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._ballast = folder / "ballast"
        folder.mkdir(parents=True, exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
        self.mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0

    def fill(self, pid: int) -> None:
        """From now on not a byte more fits."""
        if not self.mounted:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY))
            return
        with self._ballast.open("wb", buffering=0) as file:
            while True:
                try:
                    file.write(bytes(1 << 12))
                except OSError:
                    return

    def empty(self, pid: int) -> None:
        """There is room again."""
        if self.mounted:
            self._ballast.unlink()
        elif psutil.pid_exists(pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def close(self) -> None:
        """Takes it away."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=True)
