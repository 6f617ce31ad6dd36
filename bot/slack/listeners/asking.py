"""Starts what people ask for, unless Slack had given up on the ask before it was read."""

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

# Seconds that Slack waits for an answer. It dates an ask in whole seconds, so one that is refused may be only two
# seconds old. There is too little left then to record it and to say so.
SLACK_WAITS: Final = 3.0
LOOK_AGAIN: Final = 60.0  # seconds after which Slack is asked for its time again, before an ask is refused
PATIENCE: Final = 1.0  # seconds for that
REMEMBERED: Final = 1000


R = TypeVar("R", bound=BaseModel)
R_contra = TypeVar("R_contra", bound=BaseModel, contravariant=True)


class Starts(Protocol[R_contra]):
    """A service that starts what is asked, once for each idempotency key."""

    async def start(self, request: R_contra) -> str:
        """Starts it and returns its ID, on disk."""
        ...

    async def started(self, request: R_contra) -> str | None:
        """The ID of that very request where its key has started it; None where it has not."""
        ...


class AskStarter:
    """A process that stood still for a minute finds all that was asked meanwhile, and people have asked again since."""

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
        """Asks what the draft says, once for each `key`; returns what to tell the person.

        Raises `LateAskError`, and what `ApprovalService.start` raises. What was started when it came in time is found,
        however late it comes again.
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
        """By Slack's clock, where Slack dated it; else it is late where it may be.

        An ask that was refused stays refused if Slack sends it again with a later date.
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
        """Any call does. This one changes nothing, and needs no scope."""
        with contextlib.suppress(*SLACK_FAILURES, TimeoutError):
            await self._client.auth_test()

    def _looks_late(self, sent_at: int) -> bool:
        return self._time.now() - sent_at > SLACK_WAITS

    def _remember(self, act: str) -> None:
        self._refused[act] = None
        while len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)
