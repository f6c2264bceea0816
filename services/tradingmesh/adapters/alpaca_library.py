"""Imports alpaca-py without pyarrow: alpaca-py brings pandas, which takes pyarrow's 35 MB wherever it finds it.

Nothing here uses a data frame. A module that is `None` in `sys.modules` cannot be imported (import system, section
"The module cache"); pandas treats pyarrow as optional. Import this module before anything of alpaca.
"""

import sys

if "pyarrow" not in sys.modules:
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
