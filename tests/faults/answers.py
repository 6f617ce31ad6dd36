"""Whether whoever did something, and was told by Slack that it has arrived, saw what came of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from bot.simulator.workspace.messages import Message
from bot.slack.listeners.codes import NO_CODE
from orchestration.service.messages import SENTENCES
from tests.faults.facts import Facts
from tests.faults.front_door import InboundDelivery
from tests.support.messages import text_of

SLACKBOT: Final = "USLACKBOT"
_FORMS: Final = ("reject", "more")
_ENDED: Final = "This request was already "
_SAID: Final = (*SENTENCES.values(), _ENDED, NO_CODE)


def unanswered(facts: Facts) -> Iterator[str]:
    """Each thing that was acked, and of which nothing came that the person could see.

    What came of it: the answer in the ack itself, a form that opened, a vote or a delegate that is there, or something
    that was said to the person alone, later than they acted. One vote answers one press, and what was said answers one.
    """
    votes = {
        (vote["actor"], request_id, vote["round"])
        for request_id in facts.stands
        for vote in facts.votes(request_id)
    }
    waiting: defaultdict[tuple[str, str], list[InboundDelivery]] = defaultdict(list)
    for one in sorted((one for one in facts.deliveries if one.acked), key=lambda one: one.at):
        vote = (one.who, one.request, one.round)
        if _in_the_ack(one) or _form(facts, one) or _delegation(facts, one):
            continue
        if one.kind != "command" and one.what not in _FORMS and vote in votes:
            votes.remove(vote)
            continue
        if one.kind in {"command", "block_actions", "view_submission", "sms"}:
            waiting[one.who, one.channel].append(one)
    direct = {who: _said_directly(facts, who) for who, _ in waiting}
    private = _said_there(facts)
    for (who, channel), deliveries in waiting.items():
        for one in _unmatched(deliveries, private.get((who, channel), []), direct[who]):
            yield f"{who} in {channel}: {one.kind} {one.what!r} {one.request} round {one.round}, at {one.at:.3f}"


def _in_the_ack(one: InboundDelivery) -> bool:
    if one.kind == "sms":
        return "<Message>" in one.body
    return bool(one.body.strip())


def _form(facts: Facts, one: InboundDelivery) -> bool:
    return one.kind == "block_actions" and one.what in _FORMS and one.key in facts.opened


def _delegation(facts: Facts, one: InboundDelivery) -> bool:
    levels = (facts.stands.get(one.request) or {}).get("levels", [])
    return one.what == "delegate_to" and any(one.who in level["delegates"] for level in levels)


def _unmatched(
    presses: Iterable[InboundDelivery], there: list[float], direct: list[float]
) -> list[InboundDelivery]:
    """Each answer is given to one press that was before it; what was said there before what was said directly."""
    left = list(presses)
    for answers in (there, direct):
        for at in list(answers):
            first = next((press for press in left if press.at <= at), None)
            if first is not None:
                left.remove(first)
                answers.remove(at)
    return left


def _said_there(facts: Facts) -> dict[tuple[str, str], list[float]]:
    found: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for message in facts.messages():
        if message.ephemeral_to and message.author != SLACKBOT:
            found[message.ephemeral_to, message.channel].append(float(message.ts))
    return found


def _said_directly(facts: Facts, person: str) -> list[float]:
    """Other messages, as that it was escalated, answer nobody."""
    return [float(message.ts) for message in facts.direct(person) if _is_answer(message)]


def _is_answer(message: Message) -> bool:
    text = text_of({"text": message.text, "blocks": message.blocks})
    return any(said in text for said in _SAID)
