"""Imports what alpaca-py needs the way we want it. Import this module before anything of alpaca.

Without pyarrow: alpaca-py brings pandas, which takes pyarrow's 35 MB wherever it finds it, and nothing here uses a
data frame. A module that is `None` in `sys.modules` cannot be imported (import system, section "The module cache");
pandas treats pyarrow as optional. And without the warning that the websocket client of its choice is deprecated.
"""

import sys
import warnings

if "pyarrow" not in sys.modules:
    sys.modules["pyarrow"] = None  # type: ignore[assignment]

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import websockets.legacy  # noqa: F401
