"""Drives one request: somebody asks, and people press. As in real life, each repeats until they see that it worked."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from bot.simulator import Person, SimulatorError
from bot.simulator.control.person import filled_in
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.views import View
from bot.simulator.workspace.workspace import Workspace
from bot.slack.input.target import CARD_EVENT
from tests.faults import scene
from tests.support.messages import actions_of, menu_entry

LOOK: Final = 0.2  # seconds between two looks
FORM_PATIENCE: Final = 4.0
_CODE: Final = re.compile(r"reply (\d{6})")
_FAILED: Final = (SimulatorError, aiohttp.ClientError, TimeoutError)
Json = dict[str, Any]


@dataclass
class RequestAsked:
    """One request as the driver knows it. `id` is None where no answer said that it was taken.

    `done`: everybody did what they meant to, so it has to end as its kind does. `decided`: all deciders did.
    `steps` are the states that an order was seen to have entered.
    """

    title: str
    kind: str
    place: int
    requester: str
    id: str | None = None
    by_program: bool = False
    done: bool = False
    decided: bool = False
    steps: list[str] = field(default_factory=list)

    @property
    def channel(self) -> str:
        """Where its cards are."""
        return scene.channel(self.kind, self.place)


class FaultWorld:
    """What all requests of a run share: the workspace, its people, the API of the bots."""

    def __init__(
        self,
        workspace: Workspace,
        simulator_url: str,
        api: Callable[..., Awaitable[tuple[int, Json] | None]],
        deadline: float,
        *,
        thinking: float,
        patience: float,
    ) -> None:
        self.workspace = workspace
        self.call = api
        self.deadline = deadline
        self.thinking = thinking
        self.patience = patience  # seconds after which somebody who sees nothing presses again
        self.asked: list[RequestAsked] = []
        self.refused: list[str] = []  # what a program asked for and was refused for good
        self.codes: set[str] = set()  # codes that came
        self.sent: set[str] = set()  # codes that were sent back
        self.tokens: dict[str, str] = {}
        self.callback_url = ""
        self.admin = ""  # a token
        self._simulator_url = simulator_url
        self._people: dict[str, Person] = {}
        self._forms: dict[str, asyncio.Lock] = {}

    def person(self, user: str) -> Person:
        """Somebody of the workspace."""
        if user not in self._people:
            self._people[user] = Person(self._simulator_url, user)
        return self._people[user]

    def alone(self, user: str) -> asyncio.Lock:
        """A lock for each person, so that nobody fills in two forms, or waits for two codes, at once."""
        return self._forms.setdefault(user, asyncio.Lock())

    async def leave(self) -> None:
        """Everybody leaves."""
        for person in self._people.values():
            await person.close()

    async def until(
        self, done: Callable[[], Awaitable[bool]], *, pause: float = LOOK, within: float | None = None
    ) -> bool:
        """Calls `done` until it returns true; returns false where the time is over."""
        end = min(self.deadline, time.monotonic() + within) if within is not None else self.deadline
        while time.monotonic() < end:
            if await done():
                return True
            await asyncio.sleep(pause)
        return False


@dataclass
class RequestLife:
    """One request from the ask to the last press. `chance` makes all random choices."""

    world: FaultWorld
    one: RequestAsked
    chance: random.Random

    async def run(self) -> None:
        """Runs the whole request; returns early where the time is over."""
        self.world.asked.append(self.one)
        await (self._ask_by_program() if self.one.by_program else self._ask_by_command())
        if self.one.id is None:
            return
        done = True
        if self.one.kind == "withdrawn":
            done = await self.world.until(self._withdraw, pause=0.5)
        for round_, people in enumerate(scene.deciders(self.one.kind, self.one.place), 1):
            if people and self.chance.random() < 0.2:
                await self._press_in_vain(scene.outsider(self.one.place), round_)
            for person in people:
                await asyncio.sleep(self.chance.uniform(0, self.world.thinking))
                done = await self._decide(person, round_) and done
        self.one.decided = done
        if done and self.one.kind == "ordered":
            done = await self.go_on()
        self.one.done = done and time.monotonic() < self.world.deadline

    # ---- asking ----------------------------------------------------------------------------------------------

    def _amount(self) -> int | None:
        return scene.AMOUNTS.get(self.one.kind)

    async def _ask_by_program(self) -> None:
        one, amount = self.one, self._amount()
        body: Json = {
            "policy": scene.policy(one.kind, one.place),
            "title": one.title,
            "callback_url": self.world.callback_url,
        }
        if amount is not None:
            body |= {"amount": amount, "currency": "USD"}
        headers = self._authority() | {"Idempotency-Key": one.title.replace(" ", "-")}

        async def ask() -> bool:
            answer = await self.world.call("POST", "/api/approvals", headers=headers, json=body)
            if answer is not None and answer[0] == 202:
                one.id = answer[1]["id"]
            elif answer is not None and answer[0] not in {429, 502, 503}:
                self.world.refused.append(f"{one.title}: {answer[0]} {str(answer[1])[:200]}")
            return one.id is not None

        await self.world.until(ask, pause=0.5)

    async def _ask_by_command(self) -> None:
        """Types the command; types it again in other words where Slack shows an error or no answer comes."""
        one, title, tries = self.one, self.one.title, 0
        amount = self._amount()

        async def ask() -> bool:
            nonlocal tries
            tries += 1
            if tries > 1:
                # The failed command may have made a request all the same: it counts as a request of its own.
                self.world.asked.append(RequestAsked(one.title, one.kind, one.place, one.requester))
                one.title = f"{title} again {letters(tries)}"
            sum_ = f"{amount} " if amount is not None else ""
            line = f"/request-approval {scene.policy(one.kind, one.place)} {sum_}{one.title}"
            try:
                await self.world.person(one.requester).command(one.channel, line)
            except _FAILED:
                return False
            return await self.world.until(self._told, within=self.world.patience)

        await self.world.until(ask, pause=0.5)

    async def _told(self) -> bool:
        one = self.one
        places = (one.channel, f"D{one.requester[1:]}")
        for message in (found for place in places for found in self._messages(place, one.requester)):
            if one.title in message.text and (found := re.search(r"as `([^`]+)`", message.text)):
                one.id = found.group(1)
        return one.id is not None

    async def _withdraw(self) -> bool:
        headers = self._authority() | {"Idempotency-Key": f"cancel-{self.one.title.replace(' ', '-')}"}
        path = f"/api/approvals/{self.one.id}/cancel"
        answer = await self.world.call("POST", path, headers=headers, json={})
        return answer is not None and answer[0] in {200, 202, 409}

    # ---- deciding --------------------------------------------------------------------------------------------

    async def _decide(self, person: str, round_: int) -> bool:
        """Presses until the decision is seen to count; returns false where the time is over."""
        first = True

        async def decide() -> bool:
            nonlocal first
            if await self._counts(person, round_):
                return True
            card = await self._card(round_)
            if card is None:
                return False
            kind, twice, first = self.one.kind, first and self.chance.random() < 0.2, False
            try:
                if kind == "refused":
                    await self._by_form(person, card, "reject", {"reason": "Not now"})
                elif kind == "coded":
                    await self._confirm(person, card, round_)
                else:
                    if kind == "delegated" and not await self._delegated():
                        await self._delegate(person, card)
                    await self.world.person(person).click(card.channel, card.ts, "approve", twice=twice)
            except _FAILED:
                return False
            return await self.world.until(lambda: self._counts(person, round_), within=self.world.patience)

        return await self.world.until(decide, pause=0.5)

    async def _press_in_vain(self, person: str, round_: int) -> None:
        card = await self._card(round_)
        if card is not None:
            with suppress(*_FAILED):
                await self.world.person(person).click(card.channel, card.ts, "approve")

    async def _delegate(self, delegate: str, card: Message) -> None:
        more = {"selected_option": menu_entry({"blocks": card.blocks}, "delegate")}
        await self._by_form(f"U0ONE{self.one.place}", card, "more", {"person": delegate}, **more)
        await self.world.until(self._delegated, within=self.world.patience)

    async def _by_form(self, person: str, card: Message, action: str, values: Json, **choice: Any) -> None:
        someone = self.world.person(person)
        async with self.world.alone(person):
            await someone.click(card.channel, card.ts, action, **choice)
            view: View | None = None

            async def opened() -> bool:
                nonlocal view
                view = next(
                    (
                        found
                        for found in self.world.workspace.views.stack(person)
                        if str(self.one.id) in str(found.content)
                    ),
                    None,
                )
                return view is not None

            if not await self.world.until(opened, within=FORM_PATIENCE) or view is None:
                return
            form = {"id": view.id, "blocks": view.blocks}
            try:
                await someone._post("view/submit", view_id=view.id, state=filled_in(form, values))
            except _FAILED:
                with suppress(*_FAILED):
                    await someone.close_view(form)
                raise

    async def _confirm(self, person: str, card: Message, round_: int) -> None:
        """Presses, waits for the code, and sends it back, which is delivered twice."""
        someone = self.world.person(person)
        async with self.world.alone(person):
            await someone.click(card.channel, card.ts, "approve")
            end = time.monotonic() + 3 * self.world.patience
            while time.monotonic() < min(end, self.world.deadline) and not await self._counts(person, round_):
                for code in await self._new_codes(someone):
                    sent = await someone.reply_sms(code)
                    if sent["status"] != "failed":
                        self.world.sent.add(code)
                        await someone.redeliver_last()
                # The bot is another process in real time, and may be stopped just now: nothing announces a code.
                await asyncio.sleep(LOOK)

    async def _new_codes(self, someone: Person) -> list[str]:
        """The newest code, unless it was sent back before."""
        codes = [
            found.group(1)
            for text in await someone.texts()
            if text["direction"] == "in" and text["body"] and (found := _CODE.search(text["body"]))
        ]
        self.world.codes.update(codes)
        return [code for code in codes[-1:] if code not in self.world.sent]

    # ---- after the approval ----------------------------------------------------------------------------------

    async def go_on(self) -> bool:
        """Sends the events of an order, each until it is answered; returns false where the time is over."""
        for state, event in scene.STEPS.items():
            if not await self.world.until(partial(self._entered, state)):
                return False
            if event is not None and not await self.world.until(partial(self._send, event), pause=0.5):
                return False
        return True

    async def _entered(self, state: str) -> bool:
        """Whether it has entered that state, and the steps are on record."""
        stands = await self._status()
        steps = ((stands or {}).get("fulfilment") or {}).get("steps", [])
        self.one.steps = [step["state"] for step in steps if step["on_record"]]
        return state in self.one.steps

    async def _send(self, event: str) -> bool:
        admin = {"Authorization": f"Bearer {self.world.admin}"}
        asked = {"instance_id": self.one.id, "event_name": event}
        made = await self.world.call("POST", "/api/hooks", headers=admin, json=asked)
        if made is None or made[0] != 201:
            return False
        delivery = {"webhook-id": f"{self.one.id}-{event}"}
        path = urlsplit(made[1]["url"])
        sent = await self.world.call("POST", f"{path.path}?{path.query}", headers=delivery, json={})
        return sent is not None and sent[0] in {200, 202, 409}

    # ---- looking ---------------------------------------------------------------------------------------------

    def _authority(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.world.tokens[self.one.requester]}"}

    async def _status(self) -> Json | None:
        path = f"/api/approvals/{self.one.id}"
        answer = await self.world.call("GET", path, headers=self._authority())
        return answer[1] if answer is not None and answer[0] in {200, 202} else None

    async def _counts(self, person: str, round_: int) -> bool:
        """Whether the person's vote counts, or nothing is left to decide."""
        stands = await self._status()
        return stands is not None and (
            stands["outcome"] is not None
            or any(
                (vote["actor"], vote["round"]) == (person, round_)
                for level in stands["levels"]
                for vote in level["decisions"]
            )
        )

    async def _delegated(self) -> bool:
        stands = await self._status()
        return stands is not None and (
            stands["outcome"] is not None or any(level["delegates"] for level in stands["levels"])
        )

    async def _card(self, round_: int) -> Message | None:
        """The newest card of the round, once there is one; None where none comes, or it has no button any more."""
        found: list[Message] = []

        async def look() -> bool:
            found[:] = [card for card in self._cards() if _round(card) == round_]
            return bool(found)

        if not await self.world.until(look, within=self.world.patience):
            return None
        return found[-1] if "approve" in actions_of({"blocks": found[-1].blocks}) else None

    def _cards(self) -> list[Message]:
        return [
            message
            for message in self._messages(self.one.channel)
            if message.metadata
            and message.metadata["event_type"] == CARD_EVENT
            and message.metadata["event_payload"]["instance_id"] == self.one.id
        ]

    def _messages(self, channel: str, viewer: str | None = None) -> list[Message]:
        return self.world.workspace.messages.in_channel(channel, viewer)


def letters(number: int) -> str:
    """A number as four letters: in a command, digits could be taken for an amount."""
    return "".join(chr(ord("a") + number // 26**at % 26) for at in (3, 2, 1, 0))


def _round(card: Message) -> int:
    assert card.metadata is not None
    found: int = card.metadata["event_payload"]["round"]
    return found
