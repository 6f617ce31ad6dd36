"""How long commits took, counted into buckets: a few numbers, however many commits there were."""

from bisect import bisect_left
from typing import Final

# Seconds, the upper end of each bucket.
BOUNDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class CommitTimes:
    """The commits of one store since it was opened. Lives on its event loop."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one commit that took this long."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self._sum_s += seconds

    def figures(self) -> dict[str, object]:
        """`bounds_s` are the upper ends, `counts` the commits up to each and above the last, `sum_s` all their time."""
        return {"bounds_s": BOUNDS, "counts": list(self._counts), "sum_s": self._sum_s}
