"""Checks the policy file: its faults, and what in it the settings make impossible."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.doctor.aside import aside
from bot.doctor.finding import DoctorFinding, error, ok, unchecked, warning
from bot.doctor.subject import Subject
from bot.documents import places


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Runs the checks of `countersign policies check`."""
    if why := subject.usable("COUNTERSIGN_POLICIES"):
        yield unchecked("policies", why)
        return
    for fault in subject.policy_faults:
        yield error("policies", fault)
    book = subject.book
    if book is None:
        return
    file = subject.settings.policies
    yield ok("policies", f"{file} has no fault ({', '.join(book.names())}).")
    for text in subject.set_up.warnings(book) if subject.set_up else ():
        yield warning("policies", f"{text}.")
    for place, words in await aside(lambda: list(places.faults(book.policies))):
        yield error("policies", f"{'.'.join(place)}: {words}.")
