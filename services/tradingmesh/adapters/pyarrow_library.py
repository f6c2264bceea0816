"""Keeps pyarrow from importing pandas, as it does at its first conversion wherever pandas is installed.

Nothing here uses a data frame, and pandas is 55 MB and half a second. pyarrow looks for it once and remembers whether
it was there, so for that one look it cannot be found. Import this module wherever pyarrow is imported.
"""

import sys
from collections.abc import Sequence
from types import ModuleType

import pyarrow as pa


class _NoPandas:
    """A finder of modules that answers for pandas, and only for it: there is none."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:  # noqa: ARG004
        """See `importlib.abc.MetaPathFinder`."""
        if name == "pandas":
            raise ModuleNotFoundError(name)


if "pandas" not in sys.modules:
    sys.meta_path.insert(0, _NoPandas)
    pa.array([0])
    sys.meta_path.remove(_NoPandas)
