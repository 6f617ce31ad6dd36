"""Draws the messages to one person or one channel: a sentence or two, and a link to the card. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.slack import blocks
from bot.slack.input import away, grammar
from bot.slack.input.target import Target
from bot.slack.messages.asks import DONE, asked_to_decide, reminder
from bot.slack.messages.fulfilment import step_notice
from bot.slack.messages.notice_words import (
    SAID,
    NoticeMessage,
    how_it_stands,
    lines,
    link_to,
    quote,
    reported,
    sentence_of,
    what_of,
    where_to_decide,
)
from bot.slack.text import bold, linked, mention, plain, safe, said, system, when, within
from orchestration.domain.cards import Card, Notice, StepKind
from orchestration.domain.edits import as_diff
from orchestration.domain.effects import DelegateChange, SendMessageInput
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, LevelState, Status, Vote
from orchestration.service.messages import refused_though_confirmed, unconfirmed, undelivered

ANSWER: Final = "answer"
RETRY: Final = "retry"
RETRY_FULFILMENT: Final = "retry_fulfilment"
NOTICE: Final = "notice"


ASKED: Final = "Request sent to {channel} as `{request_id}`: {what}."
ASKED_DIRECTLY: Final = "These people were asked by direct message instead: {people}."
ASKED_NOBODY: Final = "Nobody could be asked instead."
THERE_NOW: Final = "It is there now."
STILL_TRIED: Final = "It is still being tried. Whoever may decide can do it from my Home tab meanwhile."
RECORDED: Final = (
    "Recorded: you {done} {what}. Slack takes no edits just now, so the card shows it a little later."
)
DELEGATE_SET: Final = (
    "From {since} to {until} (UTC), {delegate} is asked in your place "
    f"{away.WHERE}: this was set in your name."
)
TAKEN_BACK: Final = "What was set in your name for when you are away is taken back."
BACK_AT_ONCE: Final = f"`{grammar.COMMAND} {grammar.BACK}` ends it."
NOT_YOU: Final = "If you did not do that, tell whoever runs Countersign."
LISTED: Final = 20  # requests in a digest; the rest are counted


def notice(tell: SendMessageInput, links: Mapping[str, str]) -> NoticeMessage:
    """Draws the message of `tell`. `links` are the known permalinks, by request ID. Takes every kind of notice."""
    card = tell.card
    what = what_of(card.title, card.amount, card.currency)
    return _NOTICES[tell.notice](tell, what, links)


def delegate_change(change: DelegateChange) -> str:
    """What to tell a person whose delegate was set or taken back (mrkdwn)."""
    entry = change.entry
    if entry is None or entry.away is None or entry.delegate is None:
        return f"{TAKEN_BACK} {NOT_YOU}"
    since, until = entry.away.since, entry.away.until
    said = DELEGATE_SET.format(delegate=mention(entry.delegate), since=since, until=until)
    return f"{said} {BACK_AT_ONCE} {NOT_YOU}"


def offers_answer(message: Mapping[str, Any]) -> bool:
    """Whether a posted message has the button that answers a question."""
    return any(
        element.get("action_id") == ANSWER
        for block in message.get("blocks") or ()
        if block.get("block_id") == NOTICE
        for element in block.get("elements") or ()
    )


def recorded(card: Card, vote: Vote) -> str:
    """What to tell a person whose vote counts but is not on the card yet (mrkdwn)."""
    return RECORDED.format(done=DONE[vote.choice], what=what_of(card.title, card.amount, card.currency))


def asked(request: ApprovalRequest, request_id: str, policy: Policy) -> str:
    """What to tell the requester once the request is on disk (mrkdwn)."""
    what = what_of(request.title, request.amount, request.currency or policy.currency)
    first = policy.for_amount(request.amount).levels[0]
    channel = first.channel or policy.channel
    return ASKED.format(what=what, channel=mention(channel), request_id=request_id)


def _progress(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    """Tells one step. The request may have ended since; another message tells that."""
    if tell.step and tell.step.kind is StepKind.LEVEL_PASSED:
        return NoticeMessage(f"{_passed(tell, what)} {link_to(tell, links)}".rstrip())
    if tell.step and tell.step.kind is StepKind.ESCALATED:
        return NoticeMessage(
            f"{sentence_of(tell.card, Status.ESCALATED, what)} {link_to(tell, links)}".rstrip()
        )
    return NoticeMessage(how_it_stands(tell.card, what, link_to(tell, links)))


def _passed(tell: SendMessageInput, what: str) -> str:
    """Tells that a level has approved, and which level is next."""
    level = safe(tell.step.text, 40) if tell.step else ""
    by = mention(tell.step.actor) if tell.step and tell.step.actor else "The policy"
    following = f" Next: {bold(safe(tell.card.levels[-1].name, 40))}." if tell.card.levels else ""
    return f"✓ {by} approved {what} ({bold(level)}).{following}"


def _outcome(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    asked_by = f"Asked for by {mention(tell.card.requester)}."
    return NoticeMessage(how_it_stands(tell.card, what, f"{asked_by} {link_to(tell, links)}"))


def _fulfilment(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    said = step_notice(tell.step, what) if tell.step else what
    text = f"{said} {link_to(tell, links)}".rstrip()
    if tell.step and tell.step.kind is StepKind.ACTION_FAILED:
        return _pressable(text, tell.card, RETRY_FULFILMENT, "Try again", None)
    return NoticeMessage(text)


def _question(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    text = lines(f"{_by(tell)} asks about {what}. {link_to(tell, links)}", quote(_said(tell)))
    if tell.card.answered_at is not None:  # this message may have had to wait
        return NoticeMessage(text)
    return _pressable(text, tell.card, ANSWER, "Answer…", "primary")


def _answer(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(
        lines(f"{_by(tell)} answers about {what}. {link_to(tell, links)}", quote(_said(tell)))
    )


def _action_failed(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return _pressable(_not_told(tell, what, links), tell.card, RETRY, "Try again", None)


def _notification_refused(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(_not_told(tell, what, links))


def _not_told(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> str:
    where = system(tell.step.to or "") if tell.step else "the other system"
    said = reported(_said(tell))
    return f"✗ {what} has ended, but {where} could not be told: {said} {link_to(tell, links)}".rstrip()


def _unsigned(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(
        f"✗ {what} has ended, but its outcome was not signed, so nothing was set going: {reported(_said(tell))} "
        f"{link_to(tell, links)}".rstrip()
    )


def _card_stale(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    where = f"{mention(tell.step.place)}: " if tell.step and tell.step.place else ""
    problem = f"{where}{reported(_said(tell))}"
    return NoticeMessage(
        f"✗ A card of {what} still shows what is no longer true. {problem} {link_to(tell, links)}".rstrip()
    )


def _card_not_posted(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    where = mention(tell.step.place) if tell.step and tell.step.place else "its channel"
    sentence = f"✗ The {_card_of(tell, what)} could not be posted in {where}, so nobody sees it there."
    if tell.card.status is Status.ESCALATED:
        sentence = f"✗ {_level_of(tell, what)} was to be escalated to {where}, but its card could not be posted there."
    asked = ""
    if tell.step and not tell.card.status.ended:
        people = within(map(mention, tell.step.people), ", ", SAID)
        asked = ASKED_DIRECTLY.format(people=people) if people else ASKED_NOBODY
    said = reported(_said(tell))
    return NoticeMessage(" ".join(filter(None, [sentence, said, asked, link_to(tell, links)])))


def _card_late(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    """Tells that a card could not be posted. It says what is true now: this message may have waited too."""
    where = mention(tell.step.place) if tell.step and tell.step.place else "its channel"
    when, now = "yet", "" if tell.card.status.ended else STILL_TRIED
    if tell.where:
        when, now = "at first", THERE_NOW
    sentence = f"✗ The {_card_of(tell, what)} could not be posted in {where} {when}."
    return NoticeMessage(" ".join(filter(None, [sentence, reported(_said(tell)), now, link_to(tell, links)])))


def _card_of(tell: SendMessageInput, what: str) -> str:
    """Names the card by its level: several cards of a request may go to one channel."""
    level, round_ = _level(tell)
    kind = "escalation card" if level and level.round < round_ else "card"
    return f"{kind} of {_level_of(tell, what)}"


def _level_of(tell: SendMessageInput, what: str) -> str:
    level, _ = _level(tell)
    return f"{what} for {bold(safe(level.name, 40))}" if level else what


def _level(tell: SendMessageInput) -> tuple[LevelState | None, int]:
    """The level whose card the step is about, and the card's round. An escalation's round is later than its level's."""
    round_ = (tell.step.round if tell.step else None) or 0
    return next((level for level in reversed(tell.card.levels) if level.round <= round_), None), round_


def _approvers_gone(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    people = ", ".join(mention(person) for person in tell.step.people) if tell.step else "somebody"
    return NoticeMessage(
        f"✗ {what} asks {people}, who cannot be reached: no active member of this workspace has that account. The "
        f"others who may decide it still can. For later requests, name somebody else in the policy file. "
        f"{link_to(tell, links)}".rstrip()
    )


def _code_failed(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(f"✗ {what}: {unconfirmed(_said(tell))} {link_to(tell, links)}".rstrip())


def _code_undelivered(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(f"✗ {what}: {undelivered(_said(tell))} {link_to(tell, links)}".rstrip())


def _refused(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(f"✗ {what}: {refused_though_confirmed(_said(tell))} {link_to(tell, links)}".rstrip())


def _vote_withdrawn(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    to = mention(tell.step.to) if tell.step and tell.step.to else "somebody else"
    return NoticeMessage(
        f"{_by(tell)} handed their vote on {what} to {to}, so what you decided for them does not count any more. "
        f"{link_to(tell, links)}".rstrip()
    )


def _edited(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(
        lines(f"{_by(tell)} changed what you asked for: {what}. {link_to(tell, links)}", _changes(tell))
    )


def _vote_voided(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    if tell.card.status.ended:
        return NoticeMessage(how_it_stands(tell.card, what, link_to(tell, links)))
    again = "Your decision on it does not count any more, so please look at it again."
    return NoticeMessage(
        lines(f"{_by(tell)} changed {what}. {again} {where_to_decide(tell, links)}", _changes(tell))
    )


def _changes(tell: SendMessageInput) -> str:
    return quote(as_diff(tell.step.edit.changes)) if tell.step and tell.step.edit else ""


def _digest(tell: SendMessageInput, _: str, links: Mapping[str, str]) -> NoticeMessage:
    lines = [f"{len(tell.waiting) + tell.more} requests wait for your decision:"]
    for waiting in tell.waiting[:LISTED]:
        url = links.get(waiting.request_id)
        shown = f"<{url}|{linked(waiting.title, 100)}>" if url else said(waiting.title, 100, room=400)
        until = f", until {when(waiting.deadline)}" if waiting.deadline else ""
        lines.append(f"• {shown}{until}")
    if others := len(tell.waiting[LISTED:]) + tell.more:
        lines.append(f"… and {others} more")
    return NoticeMessage("\n".join(lines))


def _pressable(text: str, card: Card, action_id: str, label: str, style: str | None) -> NoticeMessage:
    target = Target.of(card.request_id, max(card.round, 1), card.identity)
    spoken = plain(f"{label.rstrip('…')}: {card.title}", blocks.BUTTON)
    button = blocks.button(action_id, label, target.value(), style=style, spoken=spoken)
    return NoticeMessage(text, [blocks.section(text), blocks.actions(NOTICE, button)])


def _said(tell: SendMessageInput) -> str:
    return tell.step.text if tell.step else ""


def _by(tell: SendMessageInput) -> str:
    return mention(tell.step.actor) if tell.step and tell.step.actor else "Somebody"


_NOTICES: Final[Mapping[Notice, Callable[[SendMessageInput, str, Mapping[str, str]], NoticeMessage]]] = {
    Notice.PROGRESS: _progress,
    Notice.OUTCOME: _outcome,
    Notice.FULFILMENT: _fulfilment,
    Notice.QUESTION: _question,
    Notice.ANSWER: _answer,
    Notice.ASKED: asked_to_decide,
    Notice.REMINDER: reminder,
    Notice.DIGEST: _digest,
    Notice.ACTION_FAILED: _action_failed,
    Notice.NOTIFICATION_REFUSED: _notification_refused,
    Notice.CARD_STALE: _card_stale,
    Notice.UNSIGNED: _unsigned,
    Notice.CARD_NOT_POSTED: _card_not_posted,
    Notice.APPROVERS_GONE: _approvers_gone,
    Notice.CARD_LATE: _card_late,
    Notice.CODE_FAILED: _code_failed,
    Notice.CODE_UNDELIVERED: _code_undelivered,
    Notice.VOTE_WITHDRAWN: _vote_withdrawn,
    Notice.EDITED: _edited,
    Notice.VOTE_VOIDED: _vote_voided,
    Notice.REFUSED: _refused,
}
