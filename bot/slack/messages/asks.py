"""Draws the direct messages that ask one person to decide, or remind them, with the card's buttons. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bot.slack import blocks
from bot.slack.input.target import Target
from bot.slack.messages import cards, digests
from bot.slack.messages.notice_words import NoticeMessage, how_it_stands, link_to, until, where_to_decide
from bot.slack.text import mention, safe
from orchestration.domain.cards import AskState
from orchestration.domain.effects import SendMessageInput
from orchestration.domain.request import Choice

THIS: Final = "this"
# A person who may no longer decide gets only the ID: the request may say something new that is not for them.
NO_SEAT: Final = "`{request_id}` does not wait for you any more."
DONE: Final = {Choice.APPROVE: "approved", Choice.REJECT: "rejected"}


def asked_to_decide(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    """The message to a person who decides in somebody's place, or who has no card."""
    waits = "{} It waits"
    return _to_decide(
        tell,
        what,
        links,
        waits.format(_asked_instead(tell, what)),
        waits.format(_asked_instead(tell, THIS)),
    )


def reminder(tell: SendMessageInput, what: str, links: Mapping[str, str]) -> NoticeMessage:
    """The reminder to a person who has not decided yet."""
    waits = "{} waits for your decision"
    if tell.asking is AskState.OPEN:
        waits = f"Reminder: {waits}"
    return _to_decide(tell, what, links, waits.format(what), waits.format(THIS))


def _to_decide(
    tell: SendMessageInput, what: str, links: Mapping[str, str], lead: str, lead_above: str
) -> NoticeMessage:
    """Draws `lead` with a link, or `lead_above` with what is asked and the buttons if the person can decide here.

    If the person is no longer asked to decide, the message says how the request stands instead.
    """
    card = tell.card
    if tell.asking is AskState.NO_SEAT:
        return NoticeMessage(NO_SEAT.format(request_id=safe(card.request_id, 60)))
    if card.status.ended:
        return NoticeMessage(how_it_stands(card, what, link_to(tell, links)))
    if tell.asking not in {None, AskState.OPEN}:
        return NoticeMessage(f"{_settled(tell, what)} {link_to(tell, links)}".rstrip())
    text = f"{lead}{until(card)}. {where_to_decide(tell, links)}"
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
            blocks.section(f"{lead_above}{until(card)}. {link_to(tell, links)}".rstrip()),
            *cards.what_is_asked(card),
            blocks.actions(
                cards.ACTIONS, *buttons, cards.button(digests.DETAILS, "Details", None, title, target)
            ),
            blocks.context(cards.small_print(card)),
        ],
    )


def _settled(tell: SendMessageInput, what: str) -> str:
    """Why the person can no longer decide in this message, although the request has not ended."""
    if tell.asking is AskState.REPEATED:
        return f"{what}: see the newer message below."
    votes = [
        vote
        for level in tell.card.levels
        for vote in level.decisions
        if (vote.round, vote.actor) == (tell.card.round, tell.user)
    ]
    if tell.asking is AskState.VOTED and votes:
        return f"✓ You {DONE[votes[-1].choice]} {what}."
    return f"{what} does not wait for you any more."


def _asked_instead(tell: SendMessageInput, what: str) -> str:
    """Why this person is asked: somebody has handed their vote over, or is away."""
    level = tell.card.levels[-1] if tell.card.levels else None
    holders = [who for who, present in level.delegates.items() if present == tell.user] if level else []
    handed = [who for who in holders if level and who in level.delegated]
    if tell.step and tell.step.actor:
        handed = [tell.step.actor]
    if handed:
        return f"{' and '.join(map(mention, handed))} handed their vote on {what} to you."
    if not holders:
        return f"You are asked to decide {what}."
    absent = " and ".join(map(mention, holders))
    return f"{absent} {'is' if len(holders) == 1 else 'are'} away, so you decide {what} instead."
