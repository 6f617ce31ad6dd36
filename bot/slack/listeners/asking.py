"""Starts the requests that people make, unless Slack gave up on the interaction before it was read."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import SLACK_FAILURES
from bot.slack.api.pulse import Pulse
from bot.slack.api.slack_time import SlackTime
from bot.slack.input.draft import Draft, to_gathering, to_request
from bot.slack.listeners.failures import LateAskError
from bot.slack.listeners.interaction import Interaction
from bot.slack.messages.gatherings import asked_gathering
from bot.slack.messages.notices import asked
from orchestration.service.approvals import ApprovalService
from orchestration.service.gatherings import GatheringService

# Seconds that Slack waits for an answer. It dates an interaction in whole seconds, so one that is refused here may be
# only two seconds old. The rest of the time would be too short to record the request and to answer.
SLACK_WAITS: Final = 3.0
LOOK_AGAIN: Final = 60.0  # seconds after which Slack's time is read again before a request is refused
PATIENCE: Final = 1.0  # seconds to read Slack's time
REMEMBERED: Final = 1000


R = TypeVar("R", bound=BaseModel)
R_contra = TypeVar("R_contra", bound=BaseModel, contravariant=True)


class Starts(Protocol[R_contra]):
    """A service that starts a request once for each idempotency key."""

    async def start(self, request: R_contra) -> str:
        """Starts the request and returns its ID, once it is on disk."""
        ...

    async def started(self, request: R_contra) -> str | None:
        """The ID of this request if it has been started under its key already; else None."""
        ...


class AskStarter:
    """Starts requests, but refuses those that are too old.

    After a suspension, the process reads all that was sent meanwhile, and people may have asked again since.
    """

    def __init__(
        self,
        service: ApprovalService,
        gatherings: GatheringService,
        client: AsyncWebClient,
        time: SlackTime,
        pulse: Pulse,
    ) -> None:
        self._service = service
        self._gatherings = gatherings
        self._client = client
        self._time = time
        self._pulse = pulse
        self._looking: asyncio.Task[None] | None = None
        self._refused: OrderedDict[str, None] = OrderedDict()

    async def ask(self, interaction: Interaction, draft: Draft, key: str) -> str:
        """Starts the request of `draft`, once for each `key`. Returns what to tell the person.

        Raises `LateAskError`, and what `ApprovalService.start` raises. If the request was started before, a late
        repetition finds it and is not refused.
        """
        book = self._service.book()
        if (gathering := book.gatherings.get(draft.policy or "")) is not None:
            question = to_gathering(draft, requester=interaction.person, idempotency_key=key)
            request_id = await self._start(interaction, self._gatherings, question)
            return asked_gathering(question.title, gathering.channel, request_id)
        request = to_request(draft, book.policies, requester=interaction.person, idempotency_key=key)
        request_id = await self._start(interaction, self._service, request)
        return asked(request, request_id, book.policies[request.policy])

    async def _start(self, interaction: Interaction, service: Starts[R], request: R) -> str:
        if await self._is_late(interaction):
            found = await service.started(request)
            if found is None:
                self._remember(interaction.id)
                raise LateAskError
            return found
        return await service.start(request)

    async def _is_late(self, interaction: Interaction) -> bool:
        """Whether Slack has given up on it: by Slack's clock if it is dated, else if it may have waited too long.

        A refused interaction stays refused if Slack sends it again with a later date.
        """
        if interaction.id in self._refused:
            return True
        if interaction.sent_at is None:  # in Socket Mode
            return self._pulse.unread_for() > SLACK_WAITS
        if not self._looks_late(interaction.sent_at):
            return False
        age = self._time.age()
        if age is None or age > LOOK_AGAIN:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look_at_the_time())
            await asyncio.wait({self._looking}, timeout=PATIENCE)
        return self._looks_late(interaction.sent_at)

    async def _look_at_the_time(self) -> None:
        """Calls Slack for the time in its answer. Any method would do; this one changes nothing, and needs no scope."""
        with contextlib.suppress(*SLACK_FAILURES, TimeoutError):
            await self._client.auth_test()

    def _looks_late(self, sent_at: int) -> bool:
        return self._time.now() - sent_at > SLACK_WAITS

    def _remember(self, act: str) -> None:
        self._refused[act] = None
        while len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)
