"""Checks the settings: the form of each, and what they make impossible together."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from bot.config import is_scheduler
from bot.doctor.finding import DoctorFinding, error, ok, warning
from bot.doctor.subject import Subject

SCHEDULER_FORGETS: Final = (
    "COUNTERSIGN_RECORDS_STORE: is not set, and the Durable Task Scheduler forgets what has ended (after 30 days, "
    "unless it is told otherwise), so each bot's data directory alone has the records; set a store that all bots "
    "copy to."
)
SKIPPABLE: Final = (
    "COUNTERSIGN_HUB_CLOCK: is skippable, so whoever reaches the hub's socket can skip its time; remove it, but for a "
    "demo or a test."
)


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Checks every setting."""
    for fault in subject.faults:
        yield error("settings", fault)
    told = [*subject.warnings, *_together(subject)]
    for one in told:
        yield warning("settings", one)
    if not subject.faults:
        yield ok("settings", f"{len(subject.given)} settings are given, each in its form.")


def _together(subject: Subject) -> list[str]:
    given, hub = subject.given, subject.settings.hub
    found = [f"{one}." for one in subject.set_up.of_settings()] if subject.set_up else []
    if hub != "embedded" and "COUNTERSIGN_RETENTION" in given:
        where = (
            "the scheduler's own retention policy"
            if is_scheduler(hub)
            else "--retention, where `countersign hub` is started"
        )
        found.append(f"COUNTERSIGN_RETENTION: does not reach this hub; remove it, and set {where}.")
    if is_scheduler(hub) and "COUNTERSIGN_RECORDS_STORE" not in given:
        found.append(SCHEDULER_FORGETS)
    if subject.settings.skippable_clock:
        found.append(SKIPPABLE)
    return found
