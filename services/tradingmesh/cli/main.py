"""The console script. Bad input ends in one line and exit code 2, never in a stack trace."""

import os
import sys

from tradingmesh.core.errors import ConfigError, InputError, TradingMeshError

EXIT_BAD_INPUT = 2
EXIT_FAILED = 1


def main() -> None:
    """Runs the command line."""
    try:
        if sys.argv[1:2] == ["run"] and len(sys.argv) == 3 and not sys.argv[2].startswith("-"):
            # The way every process of the mesh starts: it does without the command-line library and what that imports.
            from tradingmesh.cli.run import run  # noqa: PLC0415

            run(sys.argv[2])
        else:
            from tradingmesh.cli.app import app  # noqa: PLC0415

            app()
    except (ConfigError, InputError) as error:
        sys.exit(_say(error, EXIT_BAD_INPUT))
    except TradingMeshError as error:
        sys.exit(_say(error, EXIT_FAILED))
    except BrokenPipeError:
        # Who read our output is gone; Python would complain once more when it flushes at exit (docs, module signal).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)


def _say(error: Exception, code: int) -> int:
    sys.stderr.write(f"tradingmesh: {error}\n")
    return code
