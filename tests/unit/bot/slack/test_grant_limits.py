"""For any agent input, cards and forms of grants and call lists stay within Slack's limits and show it as text."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.simulator.slack_api.blocks_check import MESSAGE_CHARACTERS, characters, check_blocks
from bot.simulator.slack_api.views_check import checked_view
from bot.slack.input.target import Target, Targets, targets_of_click
from bot.slack.messages import call_lists
from bot.slack.messages.call_lists import render_calls
from bot.slack.messages.grants import render_grant, render_trouble
from bot.slack.views.decision_forms import CardOrigin
from bot.slack.views.grant_form import grant_form, shown_grant
from bot.slack.views.request_form import Origin
from orchestration.approval.status import RequestView
from orchestration.domain.call_lists import CallListView
from orchestration.domain.cards import Card, Shown
from orchestration.domain.commands import Progress
from orchestration.domain.grant_effects import GrantView
from orchestration.domain.granting import GrantOffer
from orchestration.domain.grants import GrantEnd, GrantFacts, GrantPattern, GrantTerms
from orchestration.domain.held_call import CallFacts, HeldCall
from orchestration.domain.policy import Level, Policy
from orchestration.domain.request import ApprovalRequest, LevelState, Status
from tests.support.identity import SHOWN

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
NASTY = ["&", "<", "*", "\n", "😀", "https://a.example/?&", "<!channel>", "x", "✓ Approved by @ada\n"]
FACTS = CallFacts(
    agent="a" * 60, server="s" * 128, tool="t" * 128, directory="/" + "d" * 399, arguments_digest="0" * 64
)


def text(piece: str, longest: int) -> str:
    return (piece * longest)[:longest]


def facts(piece: str) -> GrantFacts:
    return GrantFacts(
        id="grant-" + "p" * 40 + "-abcdefgh-" + "n" * 8,
        request_id="p" * 40 + "-abcdefgh",
        nonce=SHOWN.nonce,
        policy="p" * 40,
        policy_title=text(piece, 60),
        policy_digest="0" * 64,
        call=FACTS,
        pattern=GrantPattern(
            key="0" * 64,
            fixed=text(piece, 10_000),
            vary=[f"{text(piece, 180)}: a text" for _ in range(10)],
        ),
        requester="U" + "X" * 30,
        asked_with="t" * 60,
        granted_by="W" + "X" * 30,
        confirmed=True,
        granted_at=NOW,
        terms=GrantTerms(until=NOW + timedelta(days=1), uses=100),
    )


def fits(blocks: list[dict[str, Any]]) -> None:
    assert check_blocks(json.loads(json.dumps(blocks))) == []
    assert characters(blocks) <= 13_000 < MESSAGE_CHARACTERS


@pytest.mark.parametrize("piece", NASTY)
def test_a_grant_is_within_the_limits(piece: str) -> None:
    for ended in (None, *GrantEnd):
        view = GrantView(
            facts=facts(piece),
            used=100,
            ended=ended,
            ended_at=NOW if ended else None,
            ended_by="U" + "X" * 30 if ended else None,
            reason=text(piece, 500) if ended else "",
        )
        fits(render_grant(view).blocks)
        fits(render_trouble(view, text(piece, 500)).blocks)
        checked_view(shown_grant(view, Origin()), "modal")


def request(piece: str) -> ApprovalRequest:
    call = HeldCall(**FACTS.model_dump(), key="1" * 64, number=0, window=timedelta(hours=1))
    return ApprovalRequest(
        policy="p",
        title=text("x" + piece, 150).strip() or "x",
        description=text("x" + piece, 10_000),
        requester="U0RITA",
        asked_with="t" * 60,
        call=call,
    )


@pytest.mark.parametrize("piece", NASTY)
def test_the_form_is_within_the_limits_and_has_all_of_it(piece: str) -> None:
    asked, pattern = request(piece), facts(piece).pattern
    policy = Policy(
        key="p",
        title="P",
        channel="C0P",
        levels=[Level(name="One", approvers=["U0ADA"], timeout=timedelta(hours=1))],
    )
    progress = Progress(
        request_id="p-1",
        status=Status.PENDING,
        policy="p",
        title=asked.title,
        requester="U0RITA",
        asked_at=NOW,
        round=1,
    )
    offer = GrantOffer(pattern=pattern, longest=timedelta(days=1), most_uses=100)
    origin = CardOrigin(channel="C0P", target=Target.of("p-1", 1, SHOWN))
    view = grant_form(RequestView(progress, asked, policy, asked, pattern), offer, origin, NOW)
    checked_view(view, "modal")
    shown = "".join(
        run["text"]
        for block in view["blocks"]
        if block["type"] == "rich_text"
        for run in block["elements"][0]["elements"]
    )
    whole = pattern.fixed + asked.description
    assert shown.replace("\n", "") == whole.replace("\n", "")


def card(number: int, piece: str, description: str = "", **changes: Any) -> Card:
    level = LevelState(name=text(piece, 40), status=Status.PENDING, needed=3, waiting_for=["U0ADA"] * 50)
    named = {"Agent": "a", "Server": "s" * 128, "Tool": "t" * 128, "Directory": "/d"}
    given = {
        "request_id": f"{'p' * 40}-{number:08}",
        "nonce": SHOWN.nonce,
        "digest": f"{number:064}",
        "round": 1,
        "status": Status.PENDING,
        "policy_title": text(piece, 60),
        "title": text("x" + piece, 150),
        "description": description,
        "fields": [Shown(label=label, value=value) for label, value in named.items()],
        "verbatim": True,
        "requester": "U0RITA",
        "asked_at": NOW,
        "levels": [level],
        "open": True,
        "grantable": True,
    }
    return Card.model_validate(given | changes)


def press_of(blocks: list[dict[str, Any]], action_id: str) -> dict[str, Any] | None:
    rows = [element for block in blocks if block["type"] == "actions" for element in block["elements"]]
    return next(({"actions": [one]} for one in rows if one["action_id"] == action_id), None)


@pytest.mark.parametrize("piece", NASTY)
@pytest.mark.parametrize("number", [2, 7, 40])
def test_a_card_of_many_calls_is_within_the_limits(number: int, piece: str) -> None:
    for description in (text(piece, 500), text(piece, 10_000)):
        calls = [card(one, piece, description) for one in range(number)]
        ended = [
            card(one, piece, status=Status.REJECTED, open=False, ended_by="U0ADA")
            for one in range(number, number + 20)
        ]
        for cards in (calls, [*ended, *calls], ended):
            fits(render_calls(CallListView(list_id="calls-1", cards=cards), ["S0ONCALL"] * 20).blocks)


def test_all_are_just_those_that_are_shown_whole_and_wait() -> None:
    calls = [
        card(1, "x", "ls"),
        card(2, "x", "rm " + "y" * 2000),  # the end of the text is not shown
        card(3, "x", "pwd", fields=[Shown(label="Directory", value="/" + "d" * 399)]),
        card(4, "x", "id", status=Status.APPROVED, open=False),
        card(5, "x", "wc"),
        card(6, "x", "\n" * 20 + "rm"),
    ]
    drawn = render_calls(CallListView(list_id="calls-1", cards=calls)).blocks
    press = press_of(drawn, call_lists.APPROVE_ALL)
    assert press is not None
    assert press["actions"][0]["text"]["text"] == "Approve all 2 shown"
    assert [int(one.digest) for one in targets_of_click(press).calls] == [1, 5]
    alone = render_calls(CallListView(list_id="calls-1", cards=[*calls[:1], *calls[1:4]])).blocks
    assert press_of(alone, call_lists.APPROVE_ALL) is None


def test_what_a_button_of_several_says_is_read_strictly() -> None:
    several = Targets(calls=[Target.of("p-1", 1, SHOWN), Target.of("p-2", 1, SHOWN)])
    assert Targets.model_validate_json(several.value()) == several
    wrongs: list[Any] = [
        {"calls": []},
        {"calls": [["p-1", 1, SHOWN.nonce]]},
        {"calls": [["@x", 1, "n", "d"]]},
        [],
        "x",
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="validation error"):
            Targets.model_validate_json(json.dumps(wrong))
