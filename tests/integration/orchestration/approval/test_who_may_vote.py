"""The table of docs/reference/deciding.md, row by row: who may approve and who may reject."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.commands import Reason
from orchestration.domain.people import Away, PersonEntry
from orchestration.domain.request import Choice, Status
from tests.support.direct_request import DirectRequest

PAGE: Final = Path(__file__).parents[4] / "docs/reference/deciding.md"
ALL_YEAR: Final = Away.model_validate({"from": "2026-01-01", "until": "2026-12-31"})
POLICIES = """
[people.U0FIN]
phone = "+12025550142"
[people.U0ADA]
phone = "+12025550143"
[people.U0FAY]
phone = "+12025550144"

[policies.plain]
title = "One level, which escalates"
channel = "C0PLAIN"
[[policies.plain.levels]]
name = "Team"
approvers = ["U0ADA", "U0BOB", "S0TEAM", "U0RITA"]
quorum = 2
reject_quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.plain.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0BOB", "U0MAX", "S0TEAM", "U0RITA"]
quorum = 2
reject_quorum = 2
timeout = "1d"

[policies.coded]
title = "A code first, and so in the escalation of the second"
channel = "C0CODED"
delegates = ["U0MAL", "U0BOB", "U0ADA", "U0FIN"]
[[policies.coded.levels]]
name = "First"
approvers = ["U0FIN", "U0FAY", "S0TEAM"]
quorum = 2
reject_quorum = 2
sms = true
timeout = "1d"
[[policies.coded.levels]]
name = "Second"
approvers = ["U0ADA", "U0BOB"]
quorum = 2
reject_quorum = 2
timeout = "1d"
on_timeout = "escalate"
[policies.coded.escalation]
channel = "C0MORE"
approvers = ["U0ADA", "U0FIN", "U0FAY"]
timeout = "1d"

[policies.levels]
title = "Two levels"
channel = "C0LEVELS"
delegates = ["U0SAM"]
[[policies.levels.levels]]
name = "First"
approvers = ["U0ADA", "U0BOB", "U0CY"]
timeout = "1d"
[[policies.levels.levels]]
name = "Second"
approvers = ["U0ADA", "U0BOB", "U0DAN", "U0SAM"]
reject_quorum = 2
timeout = "1d"

[policies.later]
title = "A level that needs Ada"
channel = "C0LATER"
[[policies.later.levels]]
name = "First"
approvers = ["U0ADA", "U0BOB", "U0CY"]
quorum = 2
reject_quorum = 2
timeout = "1d"
[[policies.later.levels]]
name = "Second"
approvers = ["U0ADA"]
timeout = "1d"

[policies.stranded]
title = "Two levels need whoever is left"
channel = "C0STRANDED"
[[policies.stranded.levels]]
name = "First"
approvers = ["U0HAL", "U0BOB", "U0CY"]
quorum = 2
reject_quorum = 2
timeout = "1d"
[[policies.stranded.levels]]
name = "Second"
approvers = ["U0DAN", "U0BOB"]
timeout = "1d"
[[policies.stranded.levels]]
name = "Third"
approvers = ["U0HAL", "U0CY"]
timeout = "1d"
"""
BOOK = policy_file.parse(POLICIES, "table.toml", SlackIds())
TEAM: Final = {"S0TEAM": ["U0TIM", "U0TOM"]}


class Scene(NamedTuple):
    """A request that stands as a row says, and who is to decide in which of its rounds."""

    request: DirectRequest
    actor: str
    round: int


def plain(actor: str, *, round_: int = 1, entries: dict[str, PersonEntry] | None = None) -> Scene:
    """Round 2 is that of the escalation."""
    request = DirectRequest(BOOK, "plain", TEAM, entries=entries)
    if round_ == 2:
        silence(request)
    return Scene(request, actor, round_)


def other_round() -> Scene:
    return plain("U0MAX", round_=2)._replace(round=1)


def coded(actor: str, *, round_: int = 1, entries: dict[str, PersonEntry] | None = None) -> Scene:
    """Round 2 is that of the second level, without a code, and round 3 that of its escalation."""
    request = DirectRequest(BOOK, "coded", TEAM, entries=entries)
    for person in ("U0FIN", "U0FAY") if round_ > 1 else ():
        request.press(request.decision(person))
        request.code_of(person)
    if round_ == 3:
        silence(request)
    return Scene(request, actor, round_)


def handed_over() -> Scene:
    scene = plain("U0ADA")
    assert scene.request.press(scene.request.delegation("U0ADA", "U0MAX")) is Reason.RECORDED
    return scene


def left_the_group() -> Scene:
    scene = plain("U0TIM")
    scene.request.people.groups["S0TEAM"] = ["U0TOM"]
    return scene


def second_level(actor: str, *, by: str, for_: str | None = None) -> Scene:
    """The first level was approved by this person, for the other one if one is given."""
    request = DirectRequest(BOOK, "levels")
    if for_ is not None:
        assert request.press(request.delegation(for_, by)) is Reason.RECORDED
    assert request.press(request.decision(by)) is Reason.RECORDED
    return Scene(request, actor, 2)


def voted_otherwise(choice: Choice) -> Scene:
    scene = plain("U0BOB")
    before = Choice.REJECT if choice is Choice.APPROVE else Choice.APPROVE
    assert scene.request.press(scene.request.decision("U0BOB", before, "So.")) is Reason.RECORDED
    return scene


def silence(request: DirectRequest) -> None:
    due = request.run.next_timer()
    assert due is not None
    request.run.advance(due)
    assert request.run.progress.status is Status.ESCALATED


def away(delegate: str | None) -> PersonEntry:
    return PersonEntry(delegate=delegate, away=ALL_YEAR)


AWAY_FOR_MAX = {"U0ADA": away("U0MAX")}
AWAY_FOR_MAL = {"U0ADA": away("U0MAL")}
STRANDED = {"U0HAL": away("U0DAN")}
# A row of the page by how it begins, and scenes in which it holds.
ROWS: Final[dict[str, list[Callable[[Choice], Scene]]]] = {
    "is named in this round": [lambda _: plain("U0ADA"), lambda _: plain("U0MAX", round_=2)],
    "is in a group": [lambda _: plain("U0TIM"), lambda _: plain("U0TIM", round_=2)],
    "decides for somebody": [lambda _: plain("U0MAX", entries=AWAY_FOR_MAX)],
    "is away, and nobody": [
        lambda _: plain("U0ADA", entries={"U0ADA": away(None)}),
        lambda _: plain("U0ADA", entries={**AWAY_FOR_MAX, "U0MAX": away(None)}),
        lambda _: plain("U0ADA", entries={"U0ADA": away("U0ZED")}),
    ],
    "has handed their vote over on the card": [
        lambda _: handed_over(),
        lambda _: plain("U0ADA", entries=AWAY_FOR_MAX),
        lambda _: plain("U0ADA", round_=2, entries=AWAY_FOR_MAX),
    ],
    "has handed their vote over without a code": [lambda _: coded("U0ADA", round_=3, entries=AWAY_FOR_MAL)],
    "was handed a vote without a code": [lambda _: coded("U0MAL", round_=3, entries=AWAY_FOR_MAL)],
    "has a seat in the level's other open round": [
        lambda _: other_round(),
        lambda _: coded("U0BOB", round_=3),
    ],
    "has left the group": [lambda _: left_the_group()],
    "asked for it": [lambda _: plain("U0RITA"), lambda _: plain("U0RITA", round_=2)],
    "has approved an earlier level": [
        lambda _: second_level("U0ADA", by="U0ADA"),
        lambda _: second_level("U0SAM", by="U0SAM", for_="U0ADA"),
        lambda _: coded("U0FIN", round_=3),
    ],
    "had a delegate": [lambda _: second_level("U0ADA", by="U0SAM", for_="U0ADA")],
    "is needed by a later level": [lambda _: Scene(DirectRequest(BOOK, "later"), "U0ADA", 1)],
    "would leave this round": [
        lambda _: Scene(DirectRequest(BOOK, "stranded", entries=STRANDED), "U0DAN", 1)
    ],
    "has a phone": [lambda _: coded("U0FIN"), lambda _: coded("U0ADA", round_=3)],
    "has no phone": [lambda _: coded("U0TIM")],
    "has voted otherwise": [voted_otherwise],
    "none of these": [lambda _: plain("U0ZED"), lambda _: plain("U0ZED", round_=2)],
}


def table() -> list[tuple[str, str, str]]:
    """The rows: the person, whether they approve, whether they reject."""
    text = PAGE.read_text().split("## Who may vote")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [(who, approves, rejects) for who, approves, rejects in rows[2:]]


def verdict_of(cell: str) -> Reason:
    said = re.search(r"`(\w+)`", cell)
    assert said is not None or cell.startswith("yes"), cell
    return Reason(said[1]) if said else Reason.RECORDED


@pytest.mark.parametrize("choice", list(Choice))
@pytest.mark.parametrize("row", table(), ids=lambda row: row[0][:40])
def test_the_row_of_the_page_holds(row: tuple[str, str, str], choice: Choice) -> None:
    [scenes] = [played for begins, played in ROWS.items() if row[0].startswith(begins)]
    for scene in scenes:
        request, actor, round_ = scene(choice)
        with request:
            verdict = request.press(request.decision(actor, choice, "Because.", round_))
        assert verdict is verdict_of(row[1] if choice is Choice.APPROVE else row[2])


def test_each_row_is_on_the_page_once() -> None:
    begins = [begin for begin in ROWS if [row[0].startswith(begin) for row in table()].count(True) != 1]
    assert begins == []
    assert len(table()) == len(ROWS)
