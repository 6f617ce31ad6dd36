"""Runs one check of the doctor, and returns its findings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bot.doctor.examination import Check, redactor
from bot.doctor.subject import Subject

POLICIES = """
[policies.purchase]
title = "Purchase"
channel = "C0PURCHASES"
[[policies.purchase.levels]]
name = "Manager"
approvers = ["U0ADA", "S0MANAGERS"]
timeout = "1d"
"""


def environment(place: Path, **given: str) -> dict[str, str]:
    """The settings of a sound set-up in that folder that was never started. `given` replaces some; "" removes one."""
    policies = place / "policies.toml"
    if not policies.exists():
        policies.write_text(POLICIES)
    sound = {
        "SLACK_BOT_TOKEN": "xoxb-test",
        "SLACK_APP_TOKEN": "xapp-test",
        "COUNTERSIGN_POLICIES": str(policies),
        "COUNTERSIGN_DATA_DIR": str(place / "data"),
    }
    return {name: value for name, value in (sound | given).items() if value}


async def findings(check: Check, given: Mapping[str, str]) -> list[str]:
    """The findings, each as its severity and a sentence."""
    subject = Subject.of(given)
    redact = redactor(subject.given)
    return [f"{finding.severity} {redact(finding.text)}" async for finding in check(subject)]


async def faults(check: Check, given: Mapping[str, str]) -> list[str]:
    """Only the findings that are not fine."""
    return [one for one in await findings(check, given) if not one.startswith("ok ")]
