"""The flow of an approval through several hubs, taken in turn.

A shared machine's speed changes by a third within seconds, so whole runs one after the other mostly compare
what else the machine did meanwhile. Here all hubs, each with its worker, stand side by side; what one does
alternates with what the others do, in steps of seconds, while those sit idle, which costs nothing.
"""

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import measure, processes

_LATENCY_STEP, _DECIDE_STEP = 10, 1000


class Side:
    """One hub with its workers and a client, and what was measured of it."""

    def __init__(self, stack: ExitStack, hub: processes.Hub, workers: int) -> None:
        process, address = stack.enter_context(hub)
        self._hub = process.pid
        self._workers = [stack.enter_context(processes.worker(address)).pid for _ in range(workers)]
        self.driver = measure.Driver(address)
        stack.callback(self.driver.close)
        self.latencies: list[float] = []
        self.starts = 0.0
        self._decide_s: list[float] = []
        self._decided = 0
        self._hub_ms = self._worker_ms = 0.0

    def finish(self, names: list[str]) -> None:
        """Decide these one after the other, and wait for the end of each."""
        self.latencies += measure.each(self.driver.finish, names)

    def start(self, names: list[str]) -> None:
        """Start these; sets `starts` to the acknowledged starts per second."""
        self.starts = self.driver.start(names)

    def decide(self, names: list[str]) -> None:
        """Decide these, and wait until all have ended."""
        hub, workers = _cpu_ms(self._hub), sum(map(_cpu_ms, self._workers))
        self._decide_s += [1 / self.driver.decide(names)]
        self._hub_ms += _cpu_ms(self._hub) - hub
        self._worker_ms += sum(map(_cpu_ms, self._workers)) - workers
        self._decided += len(names)

    @property
    def latency_ms(self) -> float:
        """The median of the milliseconds from event to ended."""
        return statistics.median(self.latencies)

    @property
    def rate(self) -> float:
        """Completions per second, over all steps."""
        return 1 / statistics.mean(self._decide_s)

    @property
    def hub_ms(self) -> float:
        """Milliseconds of CPU that the hub's process used for each decided instance."""
        return self._hub_ms / self._decided

    @property
    def worker_ms(self) -> float:
        """Milliseconds of CPU that the workers' processes used for each decided instance."""
        return self._worker_ms / self._decided


@contextmanager
def sides(directory: Path) -> Iterator[tuple[Side, Side, Side]]:
    """Our hub, the SDK's, and ours with two workers."""
    with ExitStack() as stack:
        yield (
            Side(stack, processes.our_hub(directory / "one.db"), 1),
            Side(stack, processes.sdk_hub(), 1),
            Side(stack, processes.our_hub(directory / "two.db"), 2),
        )


def run(all_sides: tuple[Side, ...], quiet: int, waiting: int) -> None:
    """Run `quiet` instances one by one, then `waiting` instances at once, at each side."""
    few = [f"quiet-{number:05}" for number in range(quiet)]
    for side in all_sides:
        side.driver.start(few)
        side.driver.until_waiting(few)
    _in_turn(few, _LATENCY_STEP, [side.finish for side in all_sides])
    many = [f"many-{number:05}" for number in range(waiting)]
    for side in all_sides:
        # All at once, and until its worker is idle again: else it would slow down the next side.
        side.start(many)
        side.driver.until_waiting(many)
    _in_turn(many, _DECIDE_STEP, [side.decide for side in all_sides])


def _in_turn(names: list[str], step: int, calls: list[Callable[[list[str]], None]]) -> None:
    for at in range(0, len(names), step):
        for call in calls:
            call(names[at : at + step])
        calls = calls[1:] + calls[:1]  # so that no side is always first


def _cpu_ms(pid: int) -> float:
    """Milliseconds of processor time that a process has used so far, including the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
