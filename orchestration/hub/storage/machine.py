"""The two clocks of the machine: the wall clock, which anybody may set, and the time since boot, which nobody can."""

import time
import uuid
from pathlib import Path
from typing import Final, Protocol

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class TimeSource(Protocol):
    """A pair of clocks. Both count in microseconds."""

    def wall(self) -> int:
        """The time of day, since the Unix epoch, UTC. It may jump either way."""
        ...

    def boot(self) -> int:
        """The time since the machine was booted, suspends included. It never goes back."""
        ...


class MachineTime:
    """The clocks of this machine.

    The time since boot is CLOCK_BOOTTIME. Where the system has none it is CLOCK_MONOTONIC, which on macOS counts
    suspends too, and elsewhere does not.
    """

    def __init__(self) -> None:
        self._boot_clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def wall(self) -> int:
        """The time of day in microseconds since the Unix epoch, UTC."""
        return time.time_ns() // 1000

    def boot(self) -> int:
        """Microseconds since the machine was booted."""
        return time.clock_gettime_ns(self._boot_clock) // 1000


def boot_id() -> str:
    """An ID of this boot of this machine. Where the system has none, an ID of this process instead."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip() or _PROCESS
    except OSError:
        return _PROCESS


_PROCESS: Final = uuid.uuid4().hex
