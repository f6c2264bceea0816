"""Reports in one message: what goes in comes out with its places; anything else is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradingmesh.adapters.zmq_reports import BATCH_MAX, BatchSender, read_batch
from tradingmesh.core.errors import WireError
from tradingmesh.core.place import Place
from tradingmesh.wire.header import HEADER, Kind

TRACE = bytes(range(16))


FIRST = Place(7, "IBM", 5)


def frames(first: Place = FIRST, count: int = 3) -> list[bytes]:
    payloads = [bytes([number]) for number in range(count)]
    return BatchSender("engine", "fills", 1).frames(Kind.REPORT, first, payloads, 9, TRACE)


@given(st.integers(0, 2**63), st.text(min_size=0, max_size=8), st.integers(1, 2**62), st.integers(1, BATCH_MAX))
def test_places_come_out_as_they_went_in(epoch: int, symbol: str, number: int, count: int) -> None:
    """Each report has the place after the one before it; the symbol may be any, that of no order included."""
    batch = read_batch(frames(Place(epoch, symbol, number), count))
    assert (batch.header.kind, batch.header.trace_id) == (Kind.REPORT, TRACE)
    assert [batch.place(index) for index in range(count)] == [Place(epoch, symbol, number + n) for n in range(count)]
    assert batch.payloads == [bytes([n]) for n in range(count)]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (lambda f: f[:2], "2 frames"),
        (lambda f: f[:-1], "2 reports where the header says 3"),
        (lambda f: [*f, b"more"], "4 reports where the header says 3"),
        (lambda _: frames(count=BATCH_MAX + 1), f"{BATCH_MAX} are allowed"),
        (lambda _: frames(Place(7, "IBM", 0)), "number 0 in a line"),
        (lambda f: [b"IBM", *f[1:]], "a zero byte"),
        (lambda f: [b"", *f[1:]], "a zero byte"),
        (lambda f: [b"I" * 64 + b"\0", *f[1:]], "a zero byte"),
        (lambda f: [b"\xff\0", *f[1:]], "a zero byte"),
        (lambda f: [f[0], f[1][:-1], *f[2:]], "a header has 72 bytes"),
    ],
)
def test_another_shape_is_refused(changed: object, said: str) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(WireError, match=said):
        read_batch(changed(frames()))  # type: ignore[operator] # the table's own functions


@given(st.lists(st.binary(max_size=90), max_size=5), st.binary(min_size=HEADER.size, max_size=HEADER.size))
def test_random_frames_raise_nothing_but_wire_error(some: list[bytes], header: bytes) -> None:
    """Whatever comes over the socket."""
    for tried in (some, [*some[:1], header, *some[1:]]):
        with suppress(WireError):
            read_batch(tried)
