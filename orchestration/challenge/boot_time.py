"""The time since this machine was booted. It ends a code whatever the hub's time or the wall clock says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from orchestration.domain.request import Recorded
from orchestration.hub import MachineTime, boot_id


class BootMoment(Recorded):
    """A moment within one boot of one machine: the ID of the boot, and the time since the boot."""

    boot: str
    lasted: timedelta

    def ended_by(self, now: BootMoment, lifetime: timedelta) -> bool:
        """Whether `lifetime` has passed since. False in another boot or on another machine, where that is unknown."""
        return self.boot == now.boot and now.lasted - self.lasted >= lifetime


BootClock = Callable[[], BootMoment]


def since_boot() -> BootMoment:
    """The present moment of this machine's boot."""
    return BootMoment(boot=boot_id(), lasted=timedelta(microseconds=MachineTime().boot()))
