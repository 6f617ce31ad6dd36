"""How often the hub is asked for one act in Slack: somebody waits, and every call is a round trip."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot.simulator.control.person import Person
from bot.slack.views import details
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService
from tests.support.counting import CountingClient
from tests.support.messages import actions_of, text_of
from tests.support.slack import PURCHASES, ask, decided
from tests.support.world import World, policies

LOOK, RAISE = "get_orchestration_state", "raise_orchestration_event"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of the two services that the listeners use, in order."""
    calls: list[str] = []

    def counting(service: type[Any]) -> Any:
        def made(client: Any, *given: Any) -> Any:
            client = CountingClient(client)
            client.calls = calls
            return service(client, *given)

        return made

    monkeypatch.setattr("bot.app.ApprovalService", counting(ApprovalService))
    monkeypatch.setattr("bot.twilio.service.ChallengeService", counting(ChallengeService))
    return calls


@pytest.fixture
async def world(counted: list[str], tmp_path: Path) -> AsyncIterator[World]:
    """A workspace with phones, whose hub calls are counted."""
    assert not counted, "counted from the start"
    async with World(tmp_path, policies("sms"), sms=True) as found:
        yield found


async def test_a_form_reads_the_request_once(world: World, counted: list[str]) -> None:
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    counted.clear()
    await ada.click(PURCHASES, card["ts"], "reject")
    await ada.wait_for_view("reject_reason")
    assert counted == [LOOK]


async def test_details_reads_the_request_once(world: World, counted: list[str]) -> None:
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    request_id = card["metadata"]["event_payload"]["instance_id"]
    counted.clear()
    await ada.command(PURCHASES, f"/request-approval status {request_id}")
    await ada.wait_for_view(details.ID)
    assert counted == [LOOK]


async def test_a_press_reads_once_before_it_is_recorded(world: World, counted: list[str]) -> None:
    card = await ask(world.person("U0RITA"))
    ada = world.person("U0ADA")
    counted.clear()
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, decided)
    assert counted[:2] == [LOOK, RAISE]
    # Then it is looked at until the verdict is there.
    assert set(counted[2:]) <= {LOOK}


async def test_a_typed_code_reads_its_challenge_once_before_it_is_answered(
    world: World, counted: list[str]
) -> None:
    card = await ask(world.person("U0RITA"), "purchase 12400 Steel for hall 3")
    ada = world.person("U0ADA")
    await ada.click(PURCHASES, card["ts"], "approve")
    found = re.search(r"reply (\d{6}) to approve", (await ada.wait_for_text(is_code))["body"])
    assert found
    await ada.wait_for_message(PURCHASES, lambda message: "enter_code" in actions_of(message))
    form = await opened(ada, card["ts"], counted)
    assert counted == [LOOK, LOOK], "the request, and its challenge"
    counted.clear()
    await ada.submit(form, {"code": found[1]})
    assert counted[:2] == [LOOK, RAISE]
    # Then it is looked at until the answer is judged.
    assert set(counted[2:]) == {LOOK}
    assert "Approved" in text_of(await ada.wait_for_message(PURCHASES, decided))


def is_code(text: dict[str, Any]) -> bool:
    return "reply" in text["body"]


async def opened(person: Person, card: str, counted: list[str]) -> dict[str, Any]:
    """The form behind "Enter code", once the press before it has been told its verdict."""
    await person.wait_for_message(
        PURCHASES, lambda message: message["ephemeral"] and "sent a code" in text_of(message)
    )
    counted.clear()
    await person.click(PURCHASES, card, "enter_code")
    view: dict[str, Any] = await person.wait_for_view("enter_code_form")
    return view
