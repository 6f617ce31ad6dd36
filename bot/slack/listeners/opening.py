"""Opening what a card's buttons and menu lead to: a form, or the details."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from bot.slack import cards, forms, target
from bot.slack.blocks import Json
from bot.slack.courtesy import Courtesy
from bot.slack.details import Links, details_view
from bot.slack.errors import SLACK_FAILURES, code_of
from bot.slack.forms import CardOrigin
from bot.slack.listeners.act import Act
from bot.slack.modals import Origin
from orchestration.client import Door
from orchestration.commands import Progress, Reason, Verdict
from orchestration.desk_client import Paper
from orchestration.models import Status
from orchestration.words import sentence

log = logging.getLogger(__name__)

LINK_PATIENCE: Final = 1.0  # seconds; the view has to be open within three

# Gives the view of a form, or why this person need not open it.
Draw: TypeAlias = Callable[[Act, Door, Progress, CardOrigin], Awaitable[Json | Reason]]


async def open_form(
    act: Act, door: Door, draw: Draw, *, of_this_round: bool = True, courtesy: Courtesy | None = None
) -> None:
    """Opens the form about the card, unless what would be written in it could not count."""
    card = target.of_click(act.body)
    progress = await door.status(card.instance_id)
    refusal = _too_late(progress, card.round if of_this_round else None)
    if refusal is None and courtesy is not None and draw in _OF_DECIDERS:
        reason = await courtesy.refusal(act.person, await _paper(door, progress))
        refusal = Verdict(command_id="-", reason=reason) if reason else None
    if refusal is not None:
        await act.tell(sentence(refusal))
        return
    form = await draw(act, door, progress, CardOrigin(channel=act.channel, target=card))
    if isinstance(form, Reason):
        await act.tell(sentence(Verdict(command_id="-", reason=form)))
        return
    await act.client.views_open(trigger_id=act.body["trigger_id"], view=form)


async def show_details(act: Act, door: Door, request_id: str, courtesy: Courtesy | None) -> None:
    """Opens everything there is to know of the request, with where to see more of it for the one who pressed."""
    paper = await _paper(door, await door.status(request_id))
    card, record = await asyncio.gather(_card_link(act, paper.progress), _record_link(act, paper, courtesy))
    links = Links(card=card, record=record)
    view = details_view(paper.request, paper.policy, paper.progress, Origin(channel=act.channel), links)
    await act.client.views_open(trigger_id=act.body["trigger_id"], view=view)


async def _paper(door: Door, progress: Progress) -> Paper:
    request_id = progress.request_id
    return Paper(progress, await door.asked(request_id), await door.policy_of(request_id))


async def _record_link(act: Act, paper: Paper, courtesy: Courtesy | None) -> str | None:
    return await courtesy.record(act.person, paper) if courtesy else None


async def _card_link(act: Act, progress: Progress) -> str | None:
    """Where the newest card is, for who did not press on a card; None also where Slack does not say it quickly."""
    if not progress.cards or "message" in act.body:
        return None
    ref = progress.cards[-1]
    try:
        async with asyncio.timeout(LINK_PATIENCE):
            found = await act.client.chat_getPermalink(channel=ref.channel, message_ts=ref.ts)
    except (*SLACK_FAILURES, TimeoutError) as error:
        log.info("no link to a card of %s: %s", progress.request_id, code_of(error) or error)
        return None
    return str(found["permalink"])


async def reject_form(_: Act, door: Door, progress: Progress, origin: CardOrigin) -> Json | Reason:
    """Whether a reason is needed says the policy that the request was asked under, not today's."""
    policy = await door.policy_of(progress.request_id)
    return forms.text_form(forms.REJECTING, progress, origin, optional=not policy.require_reason)


async def _approve_form(_: Act, __: Door, progress: Progress, origin: CardOrigin) -> Json | Reason:
    return forms.text_form(forms.APPROVING, progress, origin)


async def _talk_form(act: Act, _: Door, progress: Progress, origin: CardOrigin) -> Json | Reason:
    return forms.talk_form(progress, origin, requester=act.person == progress.requester)


async def _delegate_form(_: Act, __: Door, progress: Progress, origin: CardOrigin) -> Json | Reason:
    return forms.delegate_form(progress, origin)


async def _cancel_form(act: Act, _: Door, progress: Progress, origin: CardOrigin) -> Json | Reason:
    if act.person != progress.requester:
        return Reason.NOT_THE_REQUESTER
    return forms.text_form(forms.CANCELLING, progress, origin)


async def answer_form(_: Act, __: Door, progress: Progress, origin: CardOrigin) -> Json | Reason:
    """For the one who was asked a question, from the message that told them."""
    return forms.text_form(forms.ANSWERING, progress, origin)


FORMS: Final[dict[str, Draw]] = {
    cards.COMMENTED: _approve_form,
    cards.TALK: _talk_form,
    cards.DELEGATE: _delegate_form,
    cards.CANCEL: _cancel_form,
}


# Only who may decide has a use for these.
_OF_DECIDERS: Final = frozenset({reject_form, _approve_form, _delegate_form})


def _too_late(progress: Progress, round_: int | None) -> Verdict | None:
    """A courtesy, so that nobody writes in vain; the orchestration is the guard."""
    if progress.status.ended:
        return Verdict(command_id="-", reason=Reason.ALREADY_ENDED, ended_as=progress.status)
    oldest_open = progress.round - 1 if progress.status is Status.ESCALATED else progress.round
    over = round_ is not None and round_ < oldest_open
    return Verdict(command_id="-", reason=Reason.ROUND_OVER) if over else None
