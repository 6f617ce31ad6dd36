"""Runs all checks at the same time, each with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from bot.doctor import files, hub, mail, policies, records, server, settings, slack, sms
from bot.doctor.finding import DoctorFinding, error
from bot.doctor.subject import Subject
from bot.setting_sources import SECRETS, SettingError
from bot.telemetry.redaction import Redactor

PATIENCE: Final = 30.0  # seconds, for each check

Check = Callable[[Subject], AsyncGenerator[DoctorFinding, None]]
CHECKS: Final[Mapping[str, Check]] = {
    "settings": settings.check,
    "policies": policies.check,
    "disk": files.check,
    "hub": hub.check,
    "server": server.check,
    "slack": slack.check,
    "sms": sms.check,
    "mail": mail.check,
    "records": records.check,
}


async def examine(
    environment: Mapping[str, str], patience: float = PATIENCE, checks: Mapping[str, Check] = CHECKS
) -> list[DoctorFinding]:
    """The findings of all checks, in the table's order. `patience`: seconds. None holds a secret or a number."""
    try:
        subject = Subject.of(environment)
    except SettingError as failure:
        return [error("settings", redactor(environment)(str(failure)))]
    found = await asyncio.gather(*(_within(patience, name, run, subject) for name, run in checks.items()))
    redact = redactor(subject.given)
    return [replace(finding, text=redact(finding.text)) for findings in found for finding in findings]


def redactor(given: Mapping[str, str]) -> Redactor:
    """A redactor for these settings' secrets, the sender's number, and what looks like a secret or a number."""
    return Redactor(part for name in (*SECRETS, "TWILIO_FROM") for part in given.get(name, "").split())


async def _within(patience: float, name: str, run: Check, subject: Subject) -> list[DoctorFinding]:
    found: list[DoctorFinding] = []
    try:
        async with asyncio.timeout(patience), aclosing(run(subject)) as findings:
            async for finding in findings:
                found.append(finding)  # noqa: PERF401 - those before the time was over are told
    except TimeoutError:
        found.append(
            error(
                name,
                f"This was not done within {patience:g} s, so the rest of it is not known; try it again.",
            )
        )
    except Exception as failure:  # noqa: BLE001 - the other checks are still of use
        found.append(
            error(
                name,
                f"This ended by {type(failure).__name__}, a fault of Countersign's own; please report it.",
            )
        )
    return found
