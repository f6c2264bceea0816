"""`python -m tradingmesh_operator.charts`: makes the charts ready for helm."""

import argparse
from pathlib import Path

from tradingmesh_operator.charts.dependencies import complete

CHARTS = Path("charts")


def main() -> None:
    """Completes the charts, in place or in another folder."""
    parser = argparse.ArgumentParser(prog="tradingmesh_operator.charts", description=__doc__)
    parser.add_argument("--charts", type=Path, default=CHARTS, help="where the charts are")
    parser.add_argument(
        "--into", type=Path, help="where complete copies go; left out, the charts are completed in place"
    )
    told = parser.parse_args()
    into = told.into or told.charts
    into.mkdir(parents=True, exist_ok=True)
    print(f"{into}: {', '.join(complete(told.charts, into))}")


if __name__ == "__main__":
    main()
