"""Acts and looks for a scenario: people use the workspace's page API, an agent the bot's HTTP API, and nothing else."""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from bot.demo.access import Programs
from bot.demo.scenarios import reading, script
from bot.demo.scenarios.agent import Agent
from bot.demo.scenarios.systems import OtherSystems
from bot.simulator import Person
from orchestration.domain.errors import CountersignError

Json = dict[str, Any]

# Attempts. An app that has just started may refuse a text; the phone shows that, and a person sends it again.
TEXTS: Final = 3

EXPECTED: Final = {
    "card": "a card in {place} with {words}",
    "message": "a message in {place} with {words}",
    "thread": "a line in the thread of a card in {place} with {words}",
    "sms": "a text on the phone with {words}",
}


class CannotActError(CountersignError):
    """What should be pressed, filled in or answered is not there."""


class NotSeenError(CountersignError):
    """What must be seen is not."""


class Stage:
    """One play of one scenario. What happened before `open` does not count.

    `request` is the request that the play is about, once its card was seen.
    """

    def __init__(self, workspace_url: str, programs: Programs, budget: float) -> None:
        """budget: the seconds in which a form or a text must appear."""
        self._url = workspace_url
        self._budget = budget
        self._people: dict[str, Person] = {}
        self._names: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self._last = ""
        self._since = 0.0
        self.agent = Agent(programs.agent)
        self.systems = OtherSystems(programs.operator)
        self.request: str | None = None

    async def open(self, who: str) -> None:
        """Begins: what happens from now on counts."""
        state = await self.person(who).state()
        self._since = state["clock"]["now"]
        self._names = {one["id"]: one["real_name"] for one in state["people"]}
        self._places = {one["id"]: f"#{one['name']}" for one in state["channels"] if not one["is_im"]}

    async def close(self) -> None:
        """Closes all connections; the request stays."""
        await self.agent.leave()
        for person in self._people.values():
            await person.close()

    def person(self, who: str) -> Person:
        """That person in the workspace."""
        if who not in self._people:
            self._people[who] = Person(self._url, who)
        return self._people[who]

    def name(self, who: str) -> str:
        """The person's first name."""
        return self._names.get(who, who).split(" ")[0]

    # ---- acting ------------------------------------------------------------------------------------------

    async def act(self, step: script.ScenarioStep, act: script.Action) -> None:
        """Does one action. Raises `CountersignError` or `SimulatorError` with the reason when it fails."""
        person = self.person(step.who)
        match act:
            case script.SendCommand():
                await person.command(step.at, act.text)
            case script.PressButton():
                card = await self._pressable(person, step.at, act.button)
                await person.click(step.at, card["ts"], act.button)
            case script.SubmitForm():
                await person.submit(await self._form(person, act.form), act.values)
            case script.ReplyBySms():
                await self._text(person, await self._read(person, act.read))
            case script.SkipTime():
                await person.skip(act.hours * 3600)
            case script.RestartBot():
                await person.kill_app()
                await person.start_app()
            case script.AskByApi() | script.CallByApi():
                await self.agent.act(act)
            case script.ReportEvent():
                if self.request is None:
                    raise CannotActError(f"nobody has asked for anything that {act.event} could be about.")
                await self.systems.report(self.request, act)

    async def _form(self, person: Person, callback_id: str) -> Json:
        try:
            return await person.wait_for_view(callback_id, self._budget)
        except TimeoutError:
            raise CannotActError(
                f"no form ({callback_id}) opened for {self.name(person.user_id)} within {self._budget:g} s."
            ) from None

    async def _pressable(self, person: Person, channel: str, button: str) -> Json:
        cards = [card for card in await self._cards(person, channel) if reading.has_button(card, button)]
        others = [
            message
            for message in await person.messages(channel)
            if float(message["ts"]) >= self._since
            and reading.request_of(message) is None
            and reading.has_button(message, button)
        ]
        if not cards and not others:
            raise CannotActError(
                f"{self.name(person.user_id)} finds no card here with that button ({button})."
            )
        return (cards or others)[-1]

    async def _read(self, person: Person, pattern: str) -> str:
        for text in reversed(await self._texts(person)):
            if found := re.search(pattern, text["body"]):
                return found[1]
        raise CannotActError(f"{self.name(person.user_id)} finds no text with a code on the phone.")

    async def _text(self, person: Person, words: str) -> None:
        for _ in range(TEXTS):
            if (await person.reply_sms(words))["status"] != "failed":
                return
        raise CannotActError(f"the app did not take the text of {self.name(person.user_id)}.")

    # ---- looking -----------------------------------------------------------------------------------------

    async def seen(self, step: script.ScenarioStep, expected: script.Expectation) -> bool:
        """Whether the expectation is met now."""
        if isinstance(expected, script.ExpectAnswer):
            return self.agent.answered == expected.status and self._said(expected)
        return await self._look(self.person(expected.who or step.who), step, expected)

    async def watch(
        self, step: script.ScenarioStep, expected: script.Expectation, limit: float | None
    ) -> None:
        """Waits until the expectation is met. Raises `NotSeenError` after `limit` seconds; None waits for ever."""
        try:
            there = await self._until(step, expected, limit)
        except TimeoutError:
            there = False
        if not there:
            raise NotSeenError(self._missed(step, expected))

    async def _until(
        self, step: script.ScenarioStep, expected: script.Expectation, limit: float | None
    ) -> bool:
        if isinstance(expected, script.ExpectAnswer):
            async with asyncio.timeout(limit):
                self._last = await self.agent.answer()
            return self._last == expected.status and self._said(expected)
        person = self.person(expected.who or step.who)
        return bool(await person.wait_for(lambda person: self._look(person, step, expected), limit))

    def _said(self, expected: script.ExpectAnswer) -> bool:
        said = "\n".join(self.agent.said)
        return all(word in said for word in expected.words)

    async def _look(self, person: Person, step: script.ScenarioStep, expected: script.ExpectOnPage) -> bool:
        found = await self._found(person, expected.at or step.at, expected)
        texts = [(entry.get("body") or reading.words_of(entry, self._names), entry) for entry in found]
        self._last = texts[-1][0] if texts else ""
        hits = [entry for text, entry in texts if all(word in text for word in expected.words)]
        if hits and isinstance(expected, script.ExpectCard):
            self.request = reading.request_of(hits[-1])
        return bool(hits)

    async def _found(self, person: Person, channel: str, expected: script.ExpectOnPage) -> list[Json]:
        match expected:
            case script.ExpectCard():
                cards = await self._cards(person, channel)
                return [card for card in cards if expected.round in {None, reading.round_of(card)}]
            case script.ExpectReply():
                cards = await self._cards(person, channel)
                return [line for card in cards for line in (await person.thread(channel, card["ts"]))[1:]]
            case script.ExpectSms():
                return await self._texts(person)
            case script.ExpectMessage():
                messages = await person.messages(channel)
                return [message for message in messages if float(message["ts"]) >= self._since]

    def _missed(self, step: script.ScenarioStep, expected: script.Expectation) -> str:
        last = f"the last there was {reading.quote(self._last)}" if self._last else "nothing was there"
        if isinstance(expected, script.ExpectAnswer):
            return f"the agent was not answered {expected.status}; {last}."
        words = " and ".join(reading.quote(word) for word in expected.words)
        place = self._places.get(expected.at or step.at, "direct messages")
        what = EXPECTED[expected.see].format(words=words, place=place)
        return f"{self.name(expected.who or step.who)} did not see {what}; {last}."

    async def _cards(self, person: Person, channel: str) -> list[Json]:
        return [
            message
            for message in await person.messages(channel)
            if float(message["ts"]) >= self._since
            and (found := reading.request_of(message))
            and self.request in {None, found}
        ]

    async def _texts(self, person: Person) -> list[Json]:
        return [
            text
            for text in await person.texts()
            if text["direction"] == "in" and text["status"] == "delivered" and text["at"] >= self._since
        ]
