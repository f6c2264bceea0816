"""The README of each chart, which helm-docs writes from the comments of its values."""

import subprocess
from pathlib import Path

_OPTIONS = ("--template-files=./README.md.gotmpl", "--sort-values-order=file", "--log-level=warning")


def write_readmes(helm_docs: Path, charts: Path) -> None:
    """Writes them all. Raises `RuntimeError` with what helm-docs says where it cannot."""
    done = subprocess.run(  # noqa: S603 - the program is named by whoever makes the charts
        [helm_docs, *_OPTIONS], cwd=charts, capture_output=True, text=True, check=False
    )
    if done.returncode or done.stderr:
        raise RuntimeError(f"{helm_docs}: {done.stderr.strip()}")
