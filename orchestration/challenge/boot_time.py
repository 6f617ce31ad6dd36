"""The time since this machine was booted, which ends a code whatever the hub's time or the wall clock says."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from orchestration.domain.request import Recorded
from orchestration.hub import MachineTime, boot_id


class BootMoment(Recorded):
    """A moment of one boot of one machine: what names the boot, and how long it had lasted."""

    boot: str
    lasted: timedelta

    def ended_by(self, now: BootMoment, lifetime: timedelta) -> bool:
        """Whether `lifetime` has passed since. In another boot, or on another machine, that cannot be said: False."""
        return self.boot == now.boot and now.lasted - self.lasted >= lifetime


BootClock = Callable[[], BootMoment]


def since_boot() -> BootMoment:
    """The present moment of this machine's boot."""
    return BootMoment(boot=boot_id(), lasted=timedelta(microseconds=MachineTime().boot()))
