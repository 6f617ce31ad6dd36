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
        """Decide one after the other, and see each end."""
        self.latencies += measure.each(self.driver.finish, names)

    def start(self, names: list[str]) -> None:
        """Start these; `starts` of them were acknowledged per second."""
        self.starts = self.driver.start(names)

    def decide(self, names: list[str]) -> None:
        """Decide these, and see them all end."""
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
        """Milliseconds of CPU that the hub's process used for each that was decided."""
        return self._hub_ms / self._decided

    @property
    def worker_ms(self) -> float:
        """The same of the workers' processes."""
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
    """Take so many through the flow one by one, and then so many at once, at each of the sides."""
    few = [f"quiet-{number:05}" for number in range(quiet)]
    for side in all_sides:
        side.driver.start(few)
        side.driver.until_waiting(few)
    _in_turn(few, _LATENCY_STEP, [side.finish for side in all_sides])
    many = [f"many-{number:05}" for number in range(waiting)]
    for side in all_sides:
        # At one go, and until its worker is idle again, for it would slow down the next side.
        side.start(many)
        side.driver.until_waiting(many)
    _in_turn(many, _DECIDE_STEP, [side.decide for side in all_sides])


def _in_turn(names: list[str], step: int, calls: list[Callable[[list[str]], None]]) -> None:
    for at in range(0, len(names), step):
        for call in calls:
            call(names[at : at + step])
        calls = calls[1:] + calls[:1]  # nobody is always first


def _cpu_ms(pid: int) -> float:
    """What a process has used of the processors so far, in its own code and in the kernel's."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")
