"""One process of ours, whose hub sees a wall clock that the driver sets: `python -m tests.faults.child CLOCK run`.

The file CLOCK says by how many seconds that clock is off. Only `time.time_ns` is changed, by which the hub looks at the
wall clock. gRPC adds its limits to `time.time` and compares them with the machine's own clock, so that one has to stay.
"""

from __future__ import annotations

import runpy
import sys
import threading
import time
from pathlib import Path
from typing import Final

_LOOK: Final = 0.05  # seconds


class SetClock:
    """`time.time_ns`, off by what the file says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._off = 0
        self._time_ns = time.time_ns
        self._look()

    def time_ns(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self._time_ns() + self._off

    def follow(self) -> None:
        """Looks at the file for as long as the process lives."""
        while True:
            time.sleep(_LOOK)
            self._look()

    def _look(self) -> None:
        text = self._path.read_text().strip()
        self._off = int(float(text) * 1e9) if text else self._off


def main() -> None:
    """Run `python -m bot` with the rest of the arguments."""
    clock = SetClock(Path(sys.argv[1]))
    time.time_ns = clock.time_ns
    threading.Thread(target=clock.follow, daemon=True, name="clock").start()
    sys.argv = ["countersign", *sys.argv[2:]]
    runpy.run_module("bot", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
