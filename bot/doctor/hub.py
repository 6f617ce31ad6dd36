"""Checks the task hub: its file, or a hub elsewhere."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from bot.config import SCHEDULER
from bot.doctor.aside import aside
from bot.doctor.finding import DoctorFinding, error, ok, unchecked, warning
from bot.doctor.subject import Subject
from orchestration.domain.errors import CountersignError
from orchestration.hub import HubError, glance
from orchestration.runtime.connect import HUB_FILE, connect
from orchestration.sealing.keys import SealKeys
from orchestration.service.calls import answers
from orchestration.service.hub_health import hub_health

SLOW: Final = 0.5  # seconds
HUB_SETTINGS: Final = (
    "COUNTERSIGN_HUB",
    "COUNTERSIGN_HUB_TOKEN",
    "COUNTERSIGN_PAYLOAD_STORE",
    "COUNTERSIGN_DATA_DIR",
)
LAG: Final = timedelta(minutes=5)


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Runs all checks of the hub. Only reads an embedded hub's file: a running server has it open."""
    if why := subject.usable(SCHEDULER, *HUB_SETTINGS):
        yield unchecked("hub", why)
        return
    if subject.settings.hub == "embedded":
        yield await aside(partial(_file, subject))
        return
    async for finding in _elsewhere(subject):
        yield finding


def _file(subject: Subject) -> DoctorFinding:
    path = subject.settings.data_dir / HUB_FILE
    try:
        if not path.exists():
            return ok("hub", f"{path} is not there yet; the first start makes it.")
        seen = glance(path, datetime.now(UTC))
    except HubError as failure:
        return error("hub", f"COUNTERSIGN_DATA_DIR: {failure}")
    except OSError as failure:
        return error("hub", f"COUNTERSIGN_DATA_DIR: {path} cannot be read ({failure.strerror}).")
    about = f"{path} has schema {seen.schema} and {seen.size / 1e6:,.1f} MB"
    if seen.overdue >= LAG:
        return warning(
            "hub",
            f"{about}; its oldest work could have been done {_words(seen.overdue)} ago. It is done once the server "
            "runs; where it runs, look into its log.",
        )
    return ok("hub", f"{about}; nothing in it is overdue. `countersign hub check {path}` reads all of it.")


async def _elsewhere(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    settings = subject.settings
    own = subject.secrets
    try:
        # Nothing is sealed or opened here, so before the first start any key will do.
        keys = SealKeys(own.derive_each("seal", "") if own else (bytes(32),))
        connection = connect(
            settings.hub,
            settings.data_dir,
            keys,
            token=settings.hub_token,
            payload_store=settings.payload_store,
            setting_name=settings.hub_setting,
        )
    except CountersignError as failure:
        yield error("hub", str(failure))
        return
    client = connection.client_as_stored()
    try:
        began = time.monotonic()
        await answers(client)
        took = time.monotonic() - began
        health = await hub_health(client)
    except CountersignError:
        yield error(
            "hub", "COUNTERSIGN_HUB: that hub does not answer; start it, or correct its address and token."
        )
        return
    except Exception as failure:  # noqa: BLE001 - whatever the identity's library raises
        yield error("hub", f"COUNTERSIGN_HUB: that hub cannot be logged in to ({type(failure).__name__}).")
        return
    finally:
        await client.close()
        connection.close()
    if health.problem:
        yield error("hub", f"The hub says: {health.problem.rstrip('.')}.")
    for one in health.warnings:
        yield warning("hub", f"The hub says: {one.rstrip('.')}.")
    said = f"The hub answers in {took * 1000:,.0f} ms"
    yield (
        warning("hub", f"{said}; look for what slows it or the network.")
        if took >= SLOW
        else ok("hub", f"{said}.")
    )


def _words(passed: timedelta) -> str:
    minutes = int(passed.total_seconds()) // 60
    return f"{minutes:,} min" if minutes < 120 else f"{minutes // 60:,} h"
