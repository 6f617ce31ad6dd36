"""Checks that the posted cards agree with the model: votes, votes needed, people waited for, and buttons."""

from __future__ import annotations

import re
from typing import Any

from bot.slack.input.target import Target
from bot.slack.messages import cards
from bot.slack.text import mention
from orchestration.domain.cards import Card
from orchestration.domain.commands import Progress
from orchestration.domain.ids import entity_key
from orchestration.domain.request import Status
from tests.support.decision_model import DecisionModel
from tests.support.direct import DirectRun

WAITING = re.compile(r"waiting for (.*?)(?: · |$)")
IN_PLACE = re.compile(r"\(for [^)]*\)")
PERSON = re.compile(r"<@([^>]*)>")


def check_cards(run: DirectRun, model: DecisionModel, *, ended: bool) -> None:
    """Fails where a card is older than the record, or differs from the model."""
    progress = run.progress
    assert {ref.ts for ref in progress.cards} == set(run.cards)
    for ts, card in run.cards.items():
        number = run.card_refs[ts].round
        assert card.round == number
        _as_recorded(card, progress)
        rendered = cards.render(card)
        _buttons(rendered.blocks, card, progress, open_=not ended and number in model.rounds)
        if not ended and number in model.rounds:
            _lines(_texts(rendered.blocks), model)


def _as_recorded(card: Card, progress: Progress) -> None:
    assert card.status == progress.status, f"the card of round {card.round} says {card.status}"
    assert card.levels == progress.levels, f"the card of round {card.round} is behind the record"
    assert sorted(card.confirming) == sorted(progress.confirming)
    if (outcome := progress.outcome) is not None:
        said = (card.ended_by, card.reason, card.comments)
        assert said == (outcome.processed_by, outcome.reason, outcome.comments)


def _buttons(blocks: list[dict[str, Any]], card: Card, progress: Progress, *, open_: bool) -> None:
    """Checks that open cards can be decided on what they show, and that ended ones have no button."""
    pressed = [one for block in blocks if block["type"] == "actions" for one in block["elements"]]
    expected = [cards.APPROVE, cards.REJECT, *([cards.ENTER_CODE] if progress.confirming else []), cards.MORE]
    assert [one["action_id"] for one in pressed] == (expected if open_ else [])
    target = Target.of(progress.request_id, card.round, progress.identity)
    assert {one["value"] for one in pressed if "value" in one} <= {target.value()}


def _texts(blocks: list[dict[str, Any]]) -> list[str]:
    return [
        line for block in blocks if block["type"] == "section" for line in block["text"]["text"].split("\n")
    ]


def _lines(texts: list[str], model: DecisionModel) -> None:
    line = next(text for text in texts if f"*L{model.index}*" in text)
    for vote in model.votes:
        whose = f" for {mention(vote.holder)}" if vote.holder != vote.actor else ""
        assert f"{mention(vote.actor)}{whose}, " in line, (
            f"the vote of {vote.actor} is not on the card: {line}"
        )
    if model.needed() > 1:
        count = f" {model.has()} of {model.needed()} "
        assert count in line, f"the card does not say {count.strip()}: {line}"
    waiting = WAITING.search(line)
    if waiting is None or model.world.failing:
        return
    named = set(PERSON.findall(IN_PLACE.sub("", waiting[1])))
    # People who left a group after they were asked, or handed over, stay named until the round is settled.
    gone = set(model.asked or ()) | set(model.handed)
    gone -= set(model.holders(model.own_round))
    gone |= {model.handed.get(who, who) for who in gone}
    may = {who for who in named if model.seats(who, model.own_round)}
    assert named - gone <= may, f"the card waits for {named - may}, who may not vote: {line}"
    voted = {vote.actor for vote in model.votes}
    people = set(model.level.approvers) - model.case.groups
    due = {who for who in people if model.seats(who, model.own_round)} - voted
    assert due <= named, f"the card does not wait for {due - named}: {line}"


def check_worklists(run: DirectRun, model: DecisionModel) -> None:
    """Checks that Home lists the request for everybody who may still vote, and for nobody else."""
    waits = {who for who, waiting in run.worklists.items() if waiting}
    if run.progress.status not in {Status.PENDING, Status.ESCALATED}:
        assert not waits, f"it has ended, and waits for {waits} on Home"
        return
    voted = {vote.actor for vote in model.votes}
    may: set[str] = set()
    for number, one in model.rounds.items():
        groups = set(one.stage.approvers) & model.case.groups
        named = set(one.stage.approvers) - groups
        casters = {
            (who, holder) for holder in {*named, *model.handed} for who in model.casters(holder, number)
        }
        # People who hold a seat through a group find the request with the group.
        may |= groups | ({who for who, holder in casters if holder in named or who != holder} - voted)
    expected = {entity_key(who) for who in may}
    # A delegate of a member whose group has changed since stays listed until somebody acts.
    maybe = {entity_key(who) for who in set(model.handed.values()) - voted}
    assert expected <= waits <= expected | maybe, f"it waits for {waits} on Home, and {expected} may decide"
