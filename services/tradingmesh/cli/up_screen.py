"""Where a run is shown: a live table in a terminal, plain lines anywhere else. Never silent for long."""

import time
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live

from tradingmesh.cli.up_figures import Figures
from tradingmesh.cli.up_table import line, table

LINE_EVERY_S = 3.0
RECENT_MAX = 6


class Screen(Protocol):
    """What a run shows itself on."""

    def say(self, sentence: str) -> None:
        """Shows one sentence, now."""

    def show(self, figures: Figures) -> None:
        """Shows the newest figures, when it is time for it."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Lines:
    """Plain lines: each sentence at once, the figures every `LINE_EVERY_S`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began_s = time.monotonic()
        self._shown_s = self._began_s

    def say(self, sentence: str) -> None:
        """Shows one sentence, now."""
        self._console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def show(self, figures: Figures) -> None:
        """Shows the newest figures, when it is time for it."""
        now_s = time.monotonic()
        if now_s - self._shown_s >= LINE_EVERY_S:
            self._shown_s = now_s
            self.say(line(figures, now_s - self._began_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""


class LiveTable:
    """The table, drawn again at each look; what was said last stands under it, and stays when the table goes."""

    def __init__(self, console: Console, heading: str) -> None:
        self._console = console
        self._heading = heading
        self._recent: deque[str] = deque(maxlen=RECENT_MAX)
        self._figures: Figures | None = None
        self._live = Live(console=console, auto_refresh=False)

    def say(self, sentence: str) -> None:
        """Shows one sentence, now."""
        if self._figures is None:
            self._console.print(sentence, markup=False, highlight=False)
        else:
            self._recent.append(sentence)
            self.show(self._figures)

    def show(self, figures: Figures) -> None:
        """Draws the table."""
        self._figures = figures
        self._live.update(table(figures, self._heading, list(self._recent)), refresh=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leaves the last table standing."""
        self._live.stop()


def screen_for(console: Console, heading: str) -> Screen:
    """The table where the console is a terminal, otherwise lines."""
    return LiveTable(console, heading) if console.is_terminal else Lines(console)
