"""Checks that each person whose action was acknowledged to Slack or Twilio saw a result of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from bot.simulator.workspace.messages import Message
from bot.slack.listeners.codes import NO_CODE
from orchestration.service.messages import SENTENCES
from tests.faults.facts import Facts
from tests.faults.front_door import InboundDelivery
from tests.support.messages import text_of

SLACKBOT: Final = "USLACKBOT"
_ANSWERED: Final = ("command", "block_actions", "view_submission", "sms")
_FORMS: Final = ("reject", "more")
_ENDED: Final = "This request was already "
_SAID: Final = (*SENTENCES.values(), _ENDED, NO_CODE)


class Said(NamedTuple):
    """When something was said to a person alone, and in which channel; "" is a direct message."""

    channel: str
    at: float


class VoteCast(NamedTuple):
    """The request and the round that somebody voted on."""

    request: str
    round: int


Answer: TypeAlias = Said | VoteCast


def unanswered(facts: Facts) -> Iterator[str]:
    """Each acknowledged action that had no result that the person could see.

    A result is: an answer in the ack itself, a form that opened, a vote or a delegate on record, or a message to the
    person alone after they acted. One vote answers one press, and so does one message.
    """
    waiting: defaultdict[str, list[InboundDelivery]] = defaultdict(list)
    for one in facts.deliveries:
        is_answered = _in_the_ack(one) or _form(facts, one) or _delegation(facts, one)
        if one.acked and one.kind in _ANSWERED and not is_answered:
            waiting[one.who].append(one)
    answers = _said(facts)
    for request_id in facts.stands:
        for vote in facts.votes(request_id):
            answers[vote["actor"]].append(VoteCast(request_id, vote["round"]))
    for who, deliveries in waiting.items():
        for one in _unmatched(deliveries, answers[who]):
            what = f"{one.kind} {one.what!r} {one.request} round {one.round}"
            yield f"{who} in {one.channel}: {what}, at {one.at:.3f}"


def _unmatched(presses: list[InboundDelivery], answers: list[Answer]) -> list[InboundDelivery]:
    """The presses left over when each answer is matched to one press, and as many as possible are matched."""
    given: dict[int, InboundDelivery] = {}

    def find(press: InboundDelivery, tried: set[int]) -> bool:
        for number, answer in enumerate(answers):
            if number in tried or not _fits(press, answer):
                continue
            tried.add(number)
            if number not in given or find(given[number], tried):
                given[number] = press
                return True
        return False

    return [press for press in presses if not find(press, set())]


def _in_the_ack(one: InboundDelivery) -> bool:
    if one.kind == "sms":
        return "<Message>" in one.body
    if one.kind == "view_submission":
        return '"errors"' in one.body  # without errors the form only closes
    return bool(one.body.strip())


def _form(facts: Facts, one: InboundDelivery) -> bool:
    return one.kind == "block_actions" and one.what in _FORMS and one.key in facts.opened


def _delegation(facts: Facts, one: InboundDelivery) -> bool:
    levels = (facts.stands.get(one.request) or {}).get("levels", [])
    return one.what == "delegate_to" and any(one.who in level["delegates"] for level in levels)


def _fits(press: InboundDelivery, answer: Answer) -> bool:
    if isinstance(answer, Said):
        return press.at <= answer.at and answer.channel in {"", press.channel}
    return press.what not in _FORMS and (press.request, press.round) == answer


def _said(facts: Facts) -> defaultdict[str, list[Answer]]:
    """What was said to each person alone. Other direct messages, such as of an escalation, are no answers."""
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    for message in facts.messages():
        if message.ephemeral_to and message.author != SLACKBOT:
            found[message.ephemeral_to].append(Said(message.channel, float(message.ts)))
    for who in {one.who for one in facts.deliveries}:
        found[who] += [Said("", float(message.ts)) for message in facts.direct(who) if _is_answer(message)]
    return found


def _is_answer(message: Message) -> bool:
    text = text_of({"text": message.text, "blocks": message.blocks})
    return any(said in text for said in _SAID)
