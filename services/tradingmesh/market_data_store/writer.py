"""Makes Parquet of a tick store's spool, and ends: `python -m tradingmesh.market_data_store.writer FOLDER`.

A process of its own, for pyarrow takes more memory than all the rest of the store.
"""

import sys
from pathlib import Path

from tradingmesh.adapters.tick_store_write import write_spooled
from tradingmesh.core.errors import InputError


def main() -> None:
    """Exits with 1, having said why on stderr, where a spool file is damaged or a file cannot be written."""
    try:
        write_spooled(Path(sys.argv[1]))
    except (InputError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
