"""A world with gatherings: what programs and people do there, and what they see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.simulator.control.person import Person
from orchestration.domain.gathering import GatheringProgress
from tests.support import looking
from tests.support.api_world import ApiAnswer, ApiWorld
from tests.support.messages import Message, actions_of, has_button, text_of
from tests.support.receiver import Receiver
from tests.support.world import policies

DEPLOYS, GENERAL = "C0DEPLOYS", "C0GENERAL"
ANSWER, WITHDRAW = "gathering_answer", "gathering_withdraw"


class GatheringWorld(ApiWorld):
    """A world with a public address, so that the `scanner` can be asked and can answer."""

    def __init__(self, data: Path, scanner: Receiver, *orchestrators: Callable[..., Any]) -> None:
        super().__init__(data, *orchestrators, sms=False)
        self.scanner = scanner
        self.write(policies("gathering").replace("https://scanner.example/done", scanner.url))
        self.set(COUNTERSIGN_PUBLIC_URL=self.url)

    async def gather(self, token: str, **changes: Any) -> dict[str, Any]:
        given = {"policy": "readiness", "title": "Is 4.2 ready?"} | changes
        answer = await self.call("POST", "/api/gatherings", token, json=given)
        assert answer.status == 202, answer.body
        body: dict[str, Any] = answer.body
        return body

    async def gathering(
        self, request_id: str, true: Callable[[GatheringProgress], bool]
    ) -> GatheringProgress:
        """The progress of the gathering, once `true` holds for it."""
        return await looking.seen(lambda: self.gatherings.status(request_id), true)

    async def scan(self, address: str, body: Any, **headers: str) -> ApiAnswer:
        """Sends an answer of the scanner to the address that it was given."""
        return await self.call("POST", address, json=body, headers=headers)

    async def scanner_address(self) -> str:
        """The address for the scanner's answer, from the last call to it."""
        await self.eventually(lambda: bool(self.scanner.got))
        address: str = self.asked_scanner()[-1]["answer_uri"]
        return address

    def asked_scanner(self) -> list[dict[str, Any]]:
        """The bodies of the calls to the scanner."""
        return [json.loads(body) for _, body in self.scanner.got]


async def asked(person: Person, words: str) -> Message:
    """The message that asks the person, with its button."""

    def wanted(message: Message) -> bool:
        return ANSWER in actions_of(message) and words in text_of(message)

    return await person.wait_for_message(f"D{person.user_id[1:]}", wanted)


async def answer(person: Person, message: Message, **values: str) -> None:
    """Opens the form and submits it."""
    await person.click(message["channel"], message["ts"], ANSWER)
    form = await person.wait_for_view()
    await person.submit(form, {f"field.{name}": value for name, value in values.items()})


def open_card(message: Message) -> bool:
    return has_button(WITHDRAW)(message)
