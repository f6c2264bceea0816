"""A latency histogram cheap enough for every tick. See docs/decisions/0003-metrics-on-the-hot-path.md."""

from collections.abc import Iterator

_SUB_BUCKETS = 8
_OCTAVES = 48


class Latency:
    """How long something took: eight buckets an octave of nanoseconds, so a quantile is right within an eighth."""

    __slots__ = ("buckets", "count", "sum_ns")

    def __init__(self) -> None:
        self.buckets = [0] * (_OCTAVES * _SUB_BUCKETS)
        self.count = 0
        self.sum_ns = 0

    def observe_ns(self, elapsed_ns: int) -> None:
        """Takes one measurement; a clock that stepped back counts as the shortest, over three days as the longest."""
        if elapsed_ns < _SUB_BUCKETS:  # noqa: PLR1730 - `max` would be half of what this method costs
            elapsed_ns = _SUB_BUCKETS
        bits = elapsed_ns.bit_length()
        if bits >= _OCTAVES:
            bits, elapsed_ns = _OCTAVES - 1, (1 << (_OCTAVES - 1)) - 1
        self.buckets[(bits << 3) | ((elapsed_ns >> (bits - 4)) & 7)] += 1
        self.count += 1
        self.sum_ns += elapsed_ns

    def quantile_us(self, fraction: float) -> float:
        """The quantile in microseconds, as if values lay evenly in their bucket; 0 before any measurement."""
        wanted = fraction * self.count
        seen = 0
        for index, count in enumerate(self.buckets):
            if count and seen + count >= wanted:
                lower_ns, upper_ns = _edges_ns(index)
                return (lower_ns + (upper_ns - lower_ns) * (wanted - seen) / count) / 1_000
            seen += count
        return 0.0

    def summary(self) -> dict[str, float]:
        """p50 and p99 in microseconds, and the count."""
        return {"p50": self.quantile_us(0.5), "p99": self.quantile_us(0.99), "count": self.count}

    def octaves(self) -> Iterator[tuple[str, float]]:
        """Cumulative counts by upper bound in seconds, as Prometheus wants them."""
        total = 0
        for bits in range(10, 36):
            first = 0 if bits == 10 else bits << 3
            total += sum(self.buckets[first : (bits + 1) << 3])
            yield f"{(1 << bits) / 1e9:.9g}", total
        yield "+Inf", self.count


def _edges_ns(index: int) -> tuple[int, int]:
    bits, sub = index >> 3, index & 7
    return (_SUB_BUCKETS + sub) << (bits - 4), (_SUB_BUCKETS + sub + 1) << (bits - 4)
