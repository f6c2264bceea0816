"""What a strategy believes it holds of one symbol, and when it may wish again."""


class Holding:
    """Long or flat, one wish at a time.

    `long` changes only when a wish is approved, so a refusal leaves the belief right. `may_wish` is false while a wish
    is unanswered and for `pause` ticks after a refusal: a limit that is full is not asked again at every tick.
    """

    __slots__ = ("_pause", "_waiting", "long", "pending")

    def __init__(self, pause: int) -> None:
        self._pause = pause
        self._waiting = 0
        self.long = False
        self.pending = False

    def may_wish(self) -> bool:
        """Asked once a tick at which the strategy would act."""
        if self.pending:
            return False
        if self._waiting:
            self._waiting -= 1
            return False
        return True

    def wished(self) -> None:
        """A wish to change sides is on its way."""
        self.pending = True

    def approved(self) -> None:
        """The wish was approved: the side has changed."""
        self.pending = False
        self.long = not self.long

    def refused(self) -> None:
        """The wish was refused: all is as before, and the next wish waits."""
        self.pending = False
        self._waiting = self._pause
