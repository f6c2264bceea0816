"""Since when the broker is asked for fills: not for those again that its stream has told.

A busy account has a hundred pages of them, and reading those waits minutes for the broker's rate (docs/decisions/0069).

The stream tells of one account in order. While it is heard, the books agree and no order is in doubt, every fill up to
the newest is booked. Once it is lost, or a life begins, that time stands still until the broker was asked since then.
Where doubt comes otherwise, or the answer leaves some, fills are asked for since the oldest order in doubt was made.
"""

from collections.abc import Iterable

MARGIN_NS = 5_000_000_000
"""The broker's fills may be listed in a somewhat other order than that of their times."""


class HeardFills:
    """Times are the broker's. `whole_ns` is that of an earlier life, up to which every fill was heard; 0 for none."""

    def __init__(self, whole_ns: int, *, doubt: bool) -> None:
        self.whole_ns = whole_ns
        """Up to here every fill was heard and booked, as far as can be told."""
        self._newest_ns = whole_ns
        self._from_the_beginning = doubt

    def book(self, timestamp_ns: int) -> None:
        """A fill was booked."""
        self._newest_ns = max(self._newest_ns, timestamp_ns)

    def look(self, *, agrees: bool, doubt: bool) -> bool:
        """Called now and then; `agrees`: the stream is heard, and the broker was asked since. Whether it moved."""
        if not agrees:
            return False
        self._from_the_beginning = self._from_the_beginning or doubt
        if doubt or self._newest_ns == self.whole_ns:
            return False
        self.whole_ns = self._newest_ns
        return True

    def answered(self, *, doubt: bool) -> None:
        """An answer of the broker was taken in, and left doubt or none."""
        self._from_the_beginning = doubt

    def since_ns(self, agreed_ns: int, doubtful_created_ns: Iterable[int]) -> int:
        """Since when fills are to be asked for, of a last agreement and of when the orders in doubt were made."""
        whole_ns = max(agreed_ns, self.whole_ns)
        created = doubtful_created_ns if self._from_the_beginning else ()
        return min([whole_ns, *created]) - MARGIN_NS
