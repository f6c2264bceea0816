"""`python -m tradingmesh` is the console script."""

from tradingmesh.cli.main import main

main()
