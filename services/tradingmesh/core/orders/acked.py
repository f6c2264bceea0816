"""How far a symbol's reports are acknowledged: acks come nearly in order, so a number says most of it."""


class AckedLine:
    """All reports up to `last` are acknowledged; of those after it, the ones in between are remembered.

    Only `last` needs to be kept on disk: a report after it that was acknowledged is sent again after a restart, and
    recognised. What is remembered is bounded by how many reports may be outstanding.
    """

    __slots__ = ("_beyond", "last")

    def __init__(self, last: int = 0) -> None:
        self.last = last
        self._beyond: set[int] = set()

    def ack(self, number: int) -> bool:
        """The report of that number is acknowledged. Whether `last` moved."""
        if number != self.last + 1:
            if number > self.last:
                self._beyond.add(number)
            return False
        self.last = number
        while self._beyond and self.last + 1 in self._beyond:
            self.last += 1
            self._beyond.discard(self.last)
        return True
