"""Draws the messages to one person or one channel: a sentence or two, and a link to the card. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input import away, grammar
from bot.slack.input.target import Target
from bot.slack.messages import cards, digests
from bot.slack.messages.fulfilment import step_notice
from bot.slack.text import bold, linked, mention, plain, quoted, safe, said, system, when, within
from orchestration.domain.cards import Asking, Card, Notice, StepKind
from orchestration.domain.edits import as_diff
from orchestration.domain.effects import DelegateChange, SendMessageInput
from orchestration.domain.money import format_amount
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Choice, LevelState, Status, Vote
from orchestration.service.messages import refused_though_confirmed, unconfirmed, undelivered, why_escalated

ANSWER: Final = "answer"
RETRY: Final = "retry"
RETRY_FULFILMENT: Final = "retry_fulfilment"
NOTICE: Final = "notice"

SENTENCES: Final = {
    Status.PENDING: "{what} is waiting for a decision.",
    Status.ESCALATED: "{what} was escalated to {escalated_to}. {why_escalated}.",
    Status.APPROVED: "✓ {who} approved {what}.",
    Status.AUTO_APPROVED: "✓ {what} is approved by rule.",
    Status.REJECTED: "✗ {who} rejected {what}.",
    Status.TIMED_OUT: "✗ {what} ended without a decision.",
    Status.CANCELLED: "– {what} was withdrawn.",
    Status.FAILED: "✗ {what} failed, and nobody will be asked any more.",
    Status.TERMINATED: "– {what} was stopped by an operator.",
}
# Whether the end's own words say more than its sentence does.
QUOTED: Final = frozenset({Status.APPROVED, Status.REJECTED, Status.CANCELLED})
EXPLAINED: Final = frozenset({Status.AUTO_APPROVED, Status.REJECTED, Status.TIMED_OUT, Status.FAILED})

LINK: Final = "<{url}|See the card>"
# For who is to decide: whatever has become of the card, they can.
NO_LINK: Final = "You can decide it from my Home tab, or with `{command} {status} {request_id}`."
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
THIS: Final = "this"
DONE: Final = {Choice.APPROVE: "approved", Choice.REJECT: "rejected"}
LISTED: Final = 20  # requests in a digest; the rest are counted
SAID: Final = 600


@dataclass(frozen=True)
class NoticeMessage:
    """A message: `text`, which is also the notification, and blocks where there is something to press."""

    text: str
    blocks: list[Json] | None = None


def notice(tell: SendMessageInput, links: Mapping[str, str]) -> NoticeMessage:
    """The message about `tell`; `links` are permalinks by request ID, as far as they could be had. Total."""
    card = tell.card
    what = _what(card.title, card.amount, card.currency)
    return _NOTICES[tell.notice](tell, what, links)


def delegate_change(change: DelegateChange) -> str:
    """What a person is told when who is asked in their place has changed (mrkdwn)."""
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
    """What whoever voted is told where the card cannot show it yet (mrkdwn)."""
    return RECORDED.format(done=DONE[vote.choice], what=_what(card.title, card.amount, card.currency))


def asked(request: ApprovalRequest, request_id: str, policy: Policy) -> str:
    """What the requester is told when their request is on disk (mrkdwn)."""
    what = _what(request.title, request.amount, request.currency or policy.currency)
    first = policy.for_amount(request.amount).levels[0]
    channel = first.channel or policy.channel
    return ASKED.format(what=what, channel=mention(channel), request_id=request_id)


def _progress(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    """Each step in its own words: by the time it is told, the request may have ended, which is told apart."""
    if tell.step and tell.step.kind is StepKind.LEVEL_PASSED:
        return NoticeMessage(f"{_passed(tell, what)} {_link(tell, links)}".rstrip())
    if tell.step and tell.step.kind is StepKind.ESCALATED:
        return NoticeMessage(f"{_sentence(tell.card, Status.ESCALATED, what)} {_link(tell, links)}".rstrip())
    return NoticeMessage(_how_it_stands(tell.card, what, _link(tell, links)))


def _passed(tell: SendMessageInput, what: str) -> str:
    """A level has approved, and the next one is asked."""
    level = safe(tell.step.text, 40) if tell.step else ""
    by = mention(tell.step.actor) if tell.step and tell.step.actor else "The policy"
    following = f" Next: {bold(safe(tell.card.levels[-1].name, 40))}." if tell.card.levels else ""
    return f"✓ {by} approved {what} ({bold(level)}).{following}"


def _outcome(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    asked_by = f"Asked for by {mention(tell.card.requester)}."
    return NoticeMessage(_how_it_stands(tell.card, what, f"{asked_by} {_link(tell, links)}"))


def _fulfilment(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    said = step_notice(tell.step, what) if tell.step else what
    text = f"{said} {_link(tell, links)}".rstrip()
    if tell.step and tell.step.kind is StepKind.ACTION_FAILED:
        return _pressable(text, tell.card, RETRY_FULFILMENT, "Try again", None)
    return NoticeMessage(text)


def _question(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    text = _lines(f"{_by(tell)} asks about {what}. {_link(tell, links)}", quoted(_said(tell), SAID))
    if tell.card.answered_at is not None:  # this message may have had to wait
        return NoticeMessage(text)
    return _pressable(text, tell.card, ANSWER, "Answer…", "primary")


def _answer(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(
        _lines(f"{_by(tell)} answers about {what}. {_link(tell, links)}", quoted(_said(tell), SAID))
    )


def _asked(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    waits = "{} It waits"
    return _to_decide(
        tell,
        what,
        links,
        waits.format(_asked_instead(tell, what)),
        waits.format(_asked_instead(tell, THIS)),
    )


def _reminder(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    waits = "{} waits for your decision"
    if tell.asking is Asking.OPEN:
        waits = f"Reminder: {waits}"
    return _to_decide(tell, what, links, waits.format(what), waits.format(THIS))


def _to_decide(
    tell: SendMessageInput, what: str, links: Mapping[str, str], lead: str, lead_above: str
) -> NoticeMessage:
    """Says it in one line, `lead`; where the person can decide here, what is asked follows `lead_above`, with buttons.

    What has become of it is said instead, once the person is not to decide it any more.
    """
    card = tell.card
    if card.status.ended:
        return NoticeMessage(_how_it_stands(card, what, _link(tell, links)))
    if tell.asking not in {None, Asking.OPEN}:
        return NoticeMessage(f"{_settled(tell, what)} {_link(tell, links)}".rstrip())
    text = f"{lead}{_until(card)}. {_where(tell, links)}"
    if tell.asking is None:
        return NoticeMessage(text)
    title, target = cards.heading(card), Target.of(card.request_id, card.round, card.identity)
    code = tell.user in card.confirming
    buttons = cards.buttons(
        title,
        target,
        code=code,
        whole=cards.shows_all(card),
        editable=card.editable,
        confirm=cards.to_confirm(card),
    )
    return NoticeMessage(
        text,
        [
            blocks.section(f"{lead_above}{_until(card)}. {_link(tell, links)}".rstrip()),
            *cards.what_is_asked(card),
            blocks.actions(
                cards.ACTIONS, *buttons, cards.button(digests.DETAILS, "Details", None, title, target)
            ),
            blocks.context(cards.small_print(card)),
        ],
    )


def _settled(tell: SendMessageInput, what: str) -> str:
    """Why this message takes no decision any more, although the request has not ended."""
    if tell.asking is Asking.REPEATED:
        return f"{what}: see the newer message below."
    votes = [
        vote
        for level in tell.card.levels
        for vote in level.decisions
        if (vote.round, vote.actor) == (tell.card.round, tell.user)
    ]
    if tell.asking is Asking.VOTED and votes:
        return f"✓ You {DONE[votes[-1].choice]} {what}."
    return f"{what} does not wait for you any more."


def _action_failed(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return _pressable(_not_told(tell, what, links), tell.card, RETRY, "Try again", None)


def _notification_refused(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(_not_told(tell, what, links))


def _not_told(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> str:
    where = system(tell.step.to or "") if tell.step else "the other system"
    said = safe(_said(tell), SAID)
    return f"✗ {what} has ended, but {where} could not be told: {said} {_link(tell, links)}".rstrip()


def _unsigned(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(
        f"✗ {what} has ended, but its outcome was not signed, so nothing was set going: {safe(_said(tell), SAID)} "
        f"{_link(tell, links)}".rstrip()
    )


def _card_stale(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    where = f"{mention(tell.step.place)}: " if tell.step and tell.step.place else ""
    problem = f"{where}{safe(_said(tell), SAID)}"
    return NoticeMessage(
        f"✗ A card of {what} still shows what is no longer true. {problem} {_link(tell, links)}".rstrip()
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
    said = safe(_said(tell), SAID)
    return NoticeMessage(" ".join(filter(None, [sentence, said, asked, _link(tell, links)])))


def _card_late(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    """Says what is true when it is sent: this message may have had to wait as well."""
    where = mention(tell.step.place) if tell.step and tell.step.place else "its channel"
    when, now = "yet", "" if tell.card.status.ended else STILL_TRIED
    if tell.where:
        when, now = "at first", THERE_NOW
    sentence = f"✗ The {_card_of(tell, what)} could not be posted in {where} {when}."
    return NoticeMessage(" ".join(filter(None, [sentence, safe(_said(tell), SAID), now, _link(tell, links)])))


def _card_of(tell: SendMessageInput, what: str) -> str:
    """Which card it is: several of a request may go to one channel."""
    level, round_ = _level(tell)
    kind = "escalation card" if level and level.round < round_ else "card"
    return f"{kind} of {_level_of(tell, what)}"


def _level_of(tell: SendMessageInput, what: str) -> str:
    level, _ = _level(tell)
    return f"{what} for {bold(safe(level.name, 40))}" if level else what


def _level(tell: SendMessageInput) -> tuple[LevelState | None, int]:
    """The level whose card the step is about, and the card's round: that of an escalation follows its level's."""
    round_ = (tell.step.round if tell.step else None) or 0
    return next((level for level in reversed(tell.card.levels) if level.round <= round_), None), round_


def _approvers_gone(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    people = ", ".join(mention(person) for person in tell.step.people) if tell.step else "somebody"
    return NoticeMessage(
        f"✗ {what} asks {people}, who cannot be reached: no active member of this workspace has that account. The "
        f"others who may decide it still can. For later requests, name somebody else in the policy file. "
        f"{_link(tell, links)}".rstrip()
    )


def _code_failed(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(f"✗ {what}: {unconfirmed(_said(tell))} {_link(tell, links)}".rstrip())


def _code_undelivered(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(f"✗ {what}: {undelivered(_said(tell))} {_link(tell, links)}".rstrip())


def _refused(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(f"✗ {what}: {refused_though_confirmed(_said(tell))} {_link(tell, links)}".rstrip())


def _vote_withdrawn(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    to = mention(tell.step.to) if tell.step and tell.step.to else "somebody else"
    return NoticeMessage(
        f"{_by(tell)} handed their vote on {what} to {to}, so what you decided for them does not count any more. "
        f"{_link(tell, links)}".rstrip()
    )


def _edited(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    return NoticeMessage(
        _lines(f"{_by(tell)} changed what you asked for: {what}. {_link(tell, links)}", _changes(tell))
    )


def _vote_voided(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    if tell.card.status.ended:
        return NoticeMessage(_how_it_stands(tell.card, what, _link(tell, links)))
    again = "Your decision on it does not count any more, so please look at it again."
    return NoticeMessage(_lines(f"{_by(tell)} changed {what}. {again} {_where(tell, links)}", _changes(tell)))


def _changes(tell: SendMessageInput) -> str:
    return quoted(as_diff(tell.step.edit.changes), SAID) if tell.step and tell.step.edit else ""


def _sentence(card: Card, status: Status, what: str) -> str:
    escalated = next((level for level in reversed(card.levels) if level.escalated_to), None)
    gone_to = escalated.escalated_to if escalated else None
    return SENTENCES[status].format(
        what=what,
        who=mention(card.ended_by) if card.ended_by else "The policy",
        escalated_to=mention(gone_to) if gone_to else "others",
        why_escalated=why_escalated(escalated) if escalated else "Nobody decided it in time",
    )


def _how_it_stands(card: Card, what: str, link: str) -> str:
    sentence = _sentence(card, card.status, what)
    why = ""
    if card.status in QUOTED and card.comments:
        why = quoted(card.comments, SAID, lines=6)
    elif card.status in EXPLAINED:
        why = safe(card.reason, SAID)
    return _lines(f"{sentence} {link}", why)


def _asked_instead(tell: SendMessageInput, what: str) -> str:
    """Why this person is asked now: somebody handed their vote over, or is away."""
    if tell.step and tell.step.actor:
        return f"{mention(tell.step.actor)} handed their vote on {what} to you."
    delegates = tell.card.levels[-1].delegates if tell.card.levels else {}
    absent = [mention(who) for who, present in delegates.items() if present == tell.user]
    if not absent:
        return f"You are asked to decide {what}."
    return f"{' and '.join(absent)} {'is' if len(absent) == 1 else 'are'} away, so you decide {what} instead."


def _until(card: Card) -> str:
    deadline = card.levels[-1].deadline if card.levels else None
    return f" until {when(deadline)}" if deadline else ""


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


def _link(tell: SendMessageInput, links: Mapping[str, str]) -> str:
    url = links.get(tell.card.request_id)
    return LINK.format(url=url) if url else ""


def _where(tell: SendMessageInput, links: Mapping[str, str]) -> str:
    request_id = safe(tell.card.request_id, 60)
    return _link(tell, links) or NO_LINK.format(
        command=grammar.COMMAND, status=grammar.STATUS, request_id=request_id
    )


def _said(tell: SendMessageInput) -> str:
    return tell.step.text if tell.step else ""


def _by(tell: SendMessageInput) -> str:
    return mention(tell.step.actor) if tell.step and tell.step.actor else "Somebody"


def _lines(*lines: str) -> str:
    return "\n".join(filter(None, (line.rstrip() for line in lines)))


def _what(title: str, amount: Decimal | None, currency: str | None) -> str:
    """`*New laptops* (4,200.00 USD)`."""
    named = bold(said(title, 150, room=800)) or "*a request*"
    return named if amount is None else f"{named} ({format_amount(amount, currency)})"


_NOTICES: Final[Mapping[Notice, Callable[[SendMessageInput, str, Mapping[str, str]], NoticeMessage]]] = {
    Notice.PROGRESS: _progress,
    Notice.OUTCOME: _outcome,
    Notice.FULFILMENT: _fulfilment,
    Notice.QUESTION: _question,
    Notice.ANSWER: _answer,
    Notice.ASKED: _asked,
    Notice.REMINDER: _reminder,
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
