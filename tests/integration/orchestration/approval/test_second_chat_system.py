"""The core with a chat system whose IDs look nothing like Slack's: people by mail address, groups and rooms by name."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

import orchestration
from orchestration.domain import policy_file
from orchestration.domain.cards import StepKind
from orchestration.domain.commands import EVENT_DECISION, EVENT_DELEGATED, Reason
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.ids import IdReader
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.request import ApprovalRequest, Choice, Status
from orchestration.runtime.connect import Connection
from tests.support.board import Board
from tests.support.core_world import CoreWorld, opened

POLICIES = """
[people."ada@example.com"]
phone = "+12025550142"

[policies.travel]
title = "Travel"
channel = "room/travel"
owner = "olga@example.com"
delegates = ["yan@example.com", "zed@example.com"]

[[policies.travel.levels]]
name = "Team"
approvers = ["team:leads", "fin@example.com"]
notify = ["team:leads"]
quorum = "all"
timeout = "1h"
remind_every = "30m"
on_timeout = "escalate"

[policies.travel.escalation]
channel = "room/directors"
approvers = ["team:directors"]
timeout = "1h"

[policies.travel.on]
approved = { notify = "room/travel" }

[policies.pair]
title = "Pair"
channel = "room/pair"

[[policies.pair.levels]]
name = "Two"
approvers = ["team:leads"]
quorum = 2
timeout = "1h"
"""


class MailIds:
    """An `IdReader`: `ada@example.com`, `team:finance`, `room/travel`."""

    def person(self, text: str) -> str:
        return self._one_of(text, "@")

    def place(self, text: str) -> str:
        return self._one_of(text, "room/")

    def principal(self, text: str) -> str:
        return self._one_of(text, "@", "team:")

    def recipient(self, text: str) -> str:
        return self._one_of(text, "@", "room/")

    def is_group(self, text: str) -> bool:
        return text.startswith("team:")

    @staticmethod
    def _one_of(text: str, *marks: str) -> str:
        if not any(mark in text for mark in marks):
            raise ValueError(f"{text!r} has none of {', '.join(marks)}")
        return text


IDS: IdReader = MailIds()
BOOK = policy_file.parse(POLICIES, "mail.toml", IDS)


@pytest.fixture
async def world(connection: Connection, board: Board) -> AsyncIterator[CoreWorld]:
    board.groups = {
        "team:leads": ["ada@example.com", "fay@example.com"],
        "team:directors": ["dirk@example.com"],
    }
    async with opened(connection, board, board, book=BOOK, ids=IDS) as found:
        yield found


async def test_a_request_goes_through_all_that_a_request_can_go_through(world: CoreWorld) -> None:
    away = Away.model_validate({"from": date(2020, 1, 1), "until": date(2099, 12, 31)})
    await world.service.set_away("fin@example.com", PersonEntry(delegate="yan@example.com", away=away))
    request_id = await world.ask("travel", requester="rita@example.com")
    level = world.board.card("room/travel").levels[0]
    assert level.delegates == {"fin@example.com": "yan@example.com"}
    assert level.waiting_for == ["ada@example.com", "fay@example.com", "yan@example.com"]
    assert world.board.pinged == ["team:leads"]
    assert (await world.decide(request_id, "rita@example.com")).reason is Reason.SELF_APPROVAL
    assert (await world.decide(request_id, "sam@example.com")).reason is Reason.NOT_AN_APPROVER
    assert (await world.decide(request_id, "ada@example.com")).accepted
    assert await world.delegate(request_id, "fay@example.com", "zed@example.com") is Reason.RECORDED
    await world.skip(minutes=30)
    await world.eventually(lambda: "reminded" in world.board.steps())
    await world.skip(minutes=30)
    await world.until(request_id, lambda progress: len(progress.cards) == 2)
    assert (await world.decide(request_id, "dirk@example.com", round=2)).accepted
    outcome = await world.outcome(request_id)
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "dirk@example.com")
    await world.completed(request_id)
    said = {step.kind: step for _, step in world.board.replies}
    assert sorted(said[StepKind.REMINDED].people) == ["yan@example.com", "zed@example.com"]
    assert said[StepKind.ESCALATED].place == "room/directors"
    assert ("room/travel", "outcome") in [(sent.user, sent.notice) for sent in world.board.messages]


async def test_a_group_neither_votes_nor_is_voted_for(world: CoreWorld) -> None:
    request_id = await world.ask("pair", requester="rita@example.com")
    client = world.connection.client()
    stamp = {"via": "api", "round": 1}
    for n, (event, payload) in enumerate(
        [
            (EVENT_DECISION, {"actor": "team:leads", "choice": "approve"}),
            (EVENT_DELEGATED, {"actor": "ada@example.com", "to": "team:leads"}),
        ]
    ):
        given = {**stamp, **payload, "command_id": f"c{n}"}
        await client.raise_orchestration_event(request_id, event, data=given)
    await client.close()
    progress = await world.until(request_id, lambda progress: len(progress.verdicts) == 2)
    assert {verdict.reason for verdict in progress.verdicts} == {Reason.MALFORMED}
    with pytest.raises(InvalidRequestError) as caught:
        await world.delegate(request_id, "ada@example.com", "team:leads")
    assert caught.value.field == "to"
    assert (await world.decide(request_id, "ada@example.com", Choice.REJECT, comment="No.")).accepted


async def test_who_asks_has_to_be_a_person_of_this_chat_system(world: CoreWorld) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        await world.service.start(ApprovalRequest(policy="pair", title="x", requester="U0RITA"))
    assert caught.value.field == "requester"


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('channel = "room/pair"', 'channel = "C0PAIR"', "policies.pair.channel"),
        ('approvers = ["team:leads"]', 'approvers = ["S0LEADS"]', "policies.pair.levels.0.approvers.0"),
        ('owner = "olga@example.com"', 'owner = "team:leads"', "policies.travel.owner"),
        ('{ notify = "room/travel" }', '{ notify = "team:leads" }', "policies.travel.on.approved.0.notify"),
        ('[people."ada@example.com"]', "[people.U0ADA]", "people.U0ADA"),
        ('title = "Pair"', 'title = "Pair"\ngroups = ["ada@example.com"]', "policies.pair.groups"),
    ],
)
def test_the_file_is_read_by_this_chat_system_s_ids(old: str, new: str, place: str) -> None:
    assert old in POLICIES
    with pytest.raises(PolicyError) as caught:
        policy_file.parse(POLICIES.replace(old, new, 1), "mail.toml", IDS)
    assert f": {place}" in str(caught.value)


def test_no_text_in_the_core_is_slack_s() -> None:
    """Neither its mark-up nor the letters by which it tells its IDs apart."""
    core = Path(orchestration.__file__).parent
    found = []
    for file in core.rglob("*.py"):
        if (core / "hub") in file.parents:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                if text == "slack" or any(mark in text for mark in ("<@", "<#", "<!", "^[UW", "^[CDG")):
                    found.append(f"{file.name}:{node.lineno}")
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "startswith":
                found += [f"{file.name}:{node.lineno}" for arg in node.args if _is_letters(arg)]
    assert found == []


def _is_letters(node: ast.expr) -> bool:
    """Whether this is a capital letter, or a tuple of them."""
    if isinstance(node, ast.Tuple):
        return any(map(_is_letters, node.elts))
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in set("UWSCDG")
