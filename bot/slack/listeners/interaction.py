"""One interaction of one person, read from Slack's payload, and the ways to answer so that only they see it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.api.errors import SLACK_FAILURES, code_of
from bot.slack.blocks import Json
from bot.slack.views.request_form import UnreadableFormError
from orchestration.domain.answers import OwedAnswer
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Via
from orchestration.service.answers import Debt, OwedAnswers
from orchestration.service.approvals import Actor

log = logging.getLogger(__name__)

# An interaction is acked within so many seconds, even without a result. Slack waits 3, network included.
ACK_BY: Final = 2.0
# The same for a press, which waits for the verdict of its request. Until the ack the person sees a spinner, and the
# verdict can as well come after it. Forms and commands are answered by the ack itself, so they wait longer.
VERDICT_BY: Final = 0.5


class PromptAck(AsyncAck):
    """Bolt's ack, with an event `given`. Without it, Bolt polls for the ack every 10 ms."""

    def __init__(self) -> None:
        self.given = asyncio.Event()
        super().__init__()  # type: ignore[no-untyped-call]  # Bolt's

    @property
    def response(self) -> BoltResponse | None:
        """The answer to Slack; None before there is one."""
        return self._response

    @response.setter
    def response(self, response: BoltResponse | None) -> None:
        self._response = response
        if response is not None:
            self.given.set()


@dataclass(frozen=True)
class Interaction:
    """A command, a press or a submitted form: its person, its place, and the means to answer it.

    `sent_at` is when Slack signed it, in seconds since the epoch by Slack's clock; None if Slack gives no time.
    """

    body: Mapping[str, Any]
    ack: AsyncAck
    client: AsyncWebClient
    respond: AsyncRespond
    owed: OwedAnswers
    sent_at: int | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def person(self) -> str:
        """The ID of whoever acted."""
        return str(self.body["user_id"] if "command" in self.body else self.body["user"]["id"])

    @property
    def actor(self) -> Actor:
        """Whoever acted, as the services take it."""
        return Actor(self.person, Via.CHAT)

    @property
    def view(self) -> Mapping[str, Any]:
        """The form that was submitted or acted in. Raises `UnreadableFormError` where there is none."""
        view: Mapping[str, Any] | None = self.body.get("view")
        if view is None:
            raise UnreadableFormError
        return view

    @property
    def channel(self) -> str | None:
        """The channel in which they acted, or from which the form was opened; None if there is no channel."""
        places = [
            self.body.get("channel_id"),
            (self.body.get("channel") or {}).get("id"),
            (self.body.get("container") or {}).get("channel_id"),
            _opened_from(self.body.get("view") or {}),
        ]
        return next((place for place in places if isinstance(place, str) and place), None)

    def ack_left(self) -> float:
        """The seconds that are left until the ack, for an answer that the ack is to show."""
        return max(ACK_BY - (time.monotonic() - self.began), 0.0)

    def verdict_left(self) -> float:
        """The seconds that the ack waits for the verdict to come and to be told.

        0 for a press while very many commands are being recorded: all verdicts are late then, and waiting for each of
        them makes the others later.
        """
        if self.body.get("type") != "block_actions":
            return self.ack_left()
        if self.owed.crowded:
            return 0.0
        return max(VERDICT_BY - (time.monotonic() - self.began), 0.0)

    @property
    def in_modal(self) -> bool:
        """Whether they pressed something in a modal: not in a message, and not in App Home."""
        is_press = self.body.get("type") == "block_actions"
        return is_press and (self.body.get("view") or {}).get("type") == "modal"

    @property
    def id(self) -> str:
        """An ID of this interaction: the same if Slack delivers it again, a new one for the person's next act.

        It is made from the trigger ID that Slack puts in each payload, and for a press also from its time.
        """
        action = (self.body.get("actions") or [{}])[0]
        return _name(
            self.person,
            self.body.get("trigger_id"),
            (self.body.get("message") or {}).get("ts"),
            (self.body.get("view") or {}).get("id"),
            action.get("action_id"),
            action.get("action_ts"),
        )

    @property
    def form_id(self) -> str:
        """An ID of the form, so that a form that is submitted several times starts one request."""
        return _name(self.view["id"])

    async def show(self, view: Json) -> None:
        """Opens the view, over the modal in which they pressed where there is one."""
        opening = self.client.views_push if self.in_modal else self.client.views_open
        await opening(trigger_id=self.body["trigger_id"], view=view)

    @property
    def acked(self) -> bool:
        """Whether Slack's request is answered, by an ack or by a refusal."""
        return self.ack.response is not None

    def refuse(self) -> None:
        """Answers with 503, so that Slack shows a failure and the person acts again. Does nothing after the ack."""
        if not self.acked:
            self.ack.response = BoltResponse(status=503, body="")

    async def reply(self, words: str) -> None:
        """Answers a command: by the ack, or by a message if Slack was answered already."""
        if self.acked:
            await self.tell(words)
        else:
            await self.ack(words)

    async def done(self) -> None:
        """Acks. A form that was opened over another view closes both, as the view below is out of date."""
        covers = self.body.get("type") == "view_submission" and self.view.get("previous_view_id")
        await self.ack(response_action="clear" if covers else None)

    async def owe(self, answer: OwedAnswer) -> Debt | None:
        """Records an answer that the person does not have yet. Returns None if the hub does not take it in time."""
        try:
            return await self.owed.owe(answer, self.id)
        except CountersignError as error:
            log.warning("%s: an answer could not be put on record: %s", self.person, error)
            return None

    async def settle(self, debt: Debt) -> None:
        """Records that the person has the answer. If the hub does not take that, they get the answer once more."""
        try:
            await self.owed.settle(debt)
        except CountersignError as error:
            log.info("%s: an answer is told once more: %s", self.person, error)

    async def tell(self, text: str) -> bool:
        """Tells the person alone `text` (mrkdwn): where they acted, else by the response URL, else directly.

        Returns whether one of these ways worked. Never raises.
        """
        ways = (self._tell_there, self._tell_by_response_url, self._tell_directly)
        for way in ways:
            try:
                if await way(text):
                    return True
            except (*SLACK_FAILURES, TimeoutError) as error:
                log.info("%s: %s did not work: %s", self.person, way.__name__, code_of(error) or error)
        # The log does not get the text, which has titles of requests: other people read the log.
        log.error("%s could not be told by any way.", self.person)
        return False

    async def _tell_there(self, text: str) -> bool:
        """Tells them in the channel. Slack refuses that if the app is not in it: commands can be typed anywhere."""
        if self.channel:
            await self.client.chat_postEphemeral(channel=self.channel, user=self.person, text=text)
        return bool(self.channel)

    async def _tell_by_response_url(self, text: str) -> bool:
        if not self.respond.response_url:
            return False
        answer = await self.respond(text=text, response_type="ephemeral", replace_original=False)
        return answer.status_code == 200

    async def _tell_directly(self, text: str) -> bool:
        opened = await self.client.conversations_open(users=self.person)
        await self.client.chat_postMessage(channel=opened["channel"]["id"], text=text)
        return True


def _name(*parts: object) -> str:
    return "slack-" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def _opened_from(view: Mapping[str, Any]) -> object:
    try:
        return json.loads(view.get("private_metadata") or "{}").get("channel")
    except (ValueError, AttributeError):
        return None
