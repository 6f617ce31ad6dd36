"""Reads the wrong codes that came in for a request, from the histories of its challenges."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from durabletask import history as past
from pydantic import ValidationError

from orchestration.challenge.models import ATTEMPTS, ChallengeInput, CheckedCode
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.request import SMS_CHALLENGE
from orchestration.service.operations import Operations

LOOKED_AT: Final = 20
AT_ONCE: Final = 4  # challenges read at the same time: more would delay decisions while a page is drawn


@dataclass(frozen=True)
class WrongCode:
    """When a wrong code came in, from whom, and how many tries were left. The typed digits are recorded nowhere."""

    at: datetime
    person: str | None
    left: int


async def wrong_codes(operations: Operations, events: Iterable[past.HistoryEvent]) -> list[WrongCode]:
    """The wrong codes of the challenges that these events of an approval's history began, except purged ones.

    Only the newest `LOOKED_AT` challenges are read: each costs a call to the hub.
    """
    challenges = [
        event
        for event in events
        if isinstance(event, past.SubOrchestrationInstanceCreatedEvent) and event.name == SMS_CHALLENGE
    ]
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(challenge: past.SubOrchestrationInstanceCreatedEvent) -> list[WrongCode]:
        async with turns:
            with suppress(UnknownRequestError):
                asked = await operations.own_history(challenge.instance_id, SMS_CHALLENGE)
                return _wrong(asked, _person(challenge.input))
        return []

    found = await asyncio.gather(*map(look, challenges[-LOOKED_AT:]))
    return [code for codes in found for code in codes]


def _wrong(events: list[past.HistoryEvent], person: str | None) -> list[WrongCode]:
    checks = {
        event.event_id
        for event in events
        if isinstance(event, past.TaskScheduledEvent) and event.name == "check_code"
    }
    wrong = [
        event.timestamp.replace(tzinfo=UTC)
        for event in events
        if isinstance(event, past.TaskCompletedEvent)
        and event.task_scheduled_id in checks
        and _is_wrong(event.result)
    ]
    return [WrongCode(at, person, max(ATTEMPTS - number, 0)) for number, at in enumerate(wrong, 1)]


def _is_wrong(result: str | None) -> bool:
    """Whether the code was wrong. One that came too late was not compared, so it is not."""
    try:
        checked = CheckedCode.model_validate_json(result or "")
    except ValidationError:
        return False
    return not checked.right and not checked.over


def _person(given: str | None) -> str | None:
    try:
        return ChallengeInput.model_validate_json(given or "").target.user
    except ValidationError:
        return None
