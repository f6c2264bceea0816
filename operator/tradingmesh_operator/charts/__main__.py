"""`python -m tradingmesh_operator.charts`: makes the charts ready for helm."""

import argparse
from pathlib import Path

from tradingmesh_operator.charts.dependencies import complete
from tradingmesh_operator.charts.readmes import write_readmes
from tradingmesh_operator.charts.written import written

CHARTS = Path("charts")


def main() -> None:
    """Writes what is generated and completes the charts, in place; or only completes copies in another folder."""
    parser = argparse.ArgumentParser(prog="tradingmesh_operator.charts", description=__doc__)
    parser.add_argument("--charts", type=Path, default=CHARTS, help="where the charts are")
    parser.add_argument("--into", type=Path, help="only make complete copies, in this folder")
    parser.add_argument("--helm-docs", type=Path, help="write the READMEs too, with this program")
    told = parser.parse_args()
    if told.into is None:
        for path, text in written(told.charts).items():
            path.write_text(text, encoding="utf-8")
    if told.helm_docs is not None:
        write_readmes(told.helm_docs, told.charts)
    into = told.into or told.charts
    into.mkdir(parents=True, exist_ok=True)
    print(f"{into}: {', '.join(complete(told.charts, into))}")


if __name__ == "__main__":
    main()
