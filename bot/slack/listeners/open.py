"""Opens the form or the Details behind a button or a menu entry; the table `FORMS` says which form."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias

from bot.slack.api.errors import SLACK_FAILURES, code_of
from bot.slack.api.prechecks import Prechecks
from bot.slack.blocks import Json
from bot.slack.input import target
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.verdicts import answer_words
from bot.slack.messages import cards
from bot.slack.views import decision_forms
from bot.slack.views.decision_forms import CardOrigin
from bot.slack.views.details import Offers, details_view
from bot.slack.views.edit_form import edit_form
from bot.slack.views.gathering_forms import gathering_view
from bot.slack.views.request_form import Origin
from orchestration.approval.status import RequestView, eligible_voters_of
from orchestration.domain.commands import Progress, Reason, Verdict
from orchestration.domain.errors import CountersignError, NotInvolvedError
from orchestration.domain.request import Status
from orchestration.service.approvals import ApprovalService
from orchestration.service.gatherings import GatheringService
from orchestration.service.messages import sentence

log = logging.getLogger(__name__)

LINK_PATIENCE: Final = 1.0  # seconds; the view has to be open within three

# Draws the view of a form, or returns why this person cannot use it.
Draw: TypeAlias = Callable[[Interaction, RequestView, CardOrigin], Awaitable[Json | Reason]]


async def open_form(
    interaction: Interaction,
    service: ApprovalService,
    prechecks: Prechecks,
    draw: Draw,
    *,
    of_this_round: bool = True,
) -> None:
    """Opens the form about the card, unless it is known that what it does could not count."""
    card = target.of_click(interaction.body)
    view = await service.view(card.instance_id)
    # The form has to show what the card showed: the person decides on that.
    outdated = Verdict(command_id="-", reason=Reason.OUTDATED) if card.identity != view.identity else None
    refusal = outdated or _too_late(view.progress, card.round if of_this_round else None)
    if refusal is None and draw in _OF_DECIDERS:
        reason = await prechecks.refusal(interaction.person, view)
        refusal = Verdict(command_id="-", reason=reason) if reason else None
    if refusal is not None:
        words = sentence(refusal)
        await answer_words(interaction, words, partial(say, interaction, service, prechecks))
        return
    form = await draw(interaction, view, CardOrigin(channel=interaction.channel, target=card))
    if isinstance(form, Reason):
        await answer_words(interaction, sentence(Verdict(command_id="-", reason=form)))
        return
    await interaction.show(form)


async def show_details(
    interaction: Interaction, service: ApprovalService, request_id: str, prechecks: Prechecks
) -> None:
    """Opens Details: all of the request, and what the person who pressed can do with it."""
    await interaction.show(await _details(interaction, service, request_id, prechecks))


async def show_gathering(interaction: Interaction, service: GatheringService, request_id: str) -> None:
    """Opens all of a gathering. Raises `NotInvolvedError` for a person who has no part in it."""
    read = await service.read(request_id)
    if interaction.person not in read.involved():
        raise NotInvolvedError
    await interaction.show(gathering_view(read, Origin(channel=interaction.channel)))


async def say(interaction: Interaction, service: ApprovalService, prechecks: Prechecks, words: str) -> bool:
    """Tells the person the result of their press. Returns whether they have it.

    In a modal the words are shown in the modal, which would hide a message. Never raises: a committed command must
    not be reported as failed because its result cannot be shown.
    """
    if interaction.in_modal and await redraw(interaction, service, prechecks, words):
        return True
    return await interaction.tell(words)


async def redraw(
    interaction: Interaction, service: ApprovalService, prechecks: Prechecks, words: str = ""
) -> bool:
    """Redraws the Details in which somebody pressed, with `words` at the top. Returns whether that worked."""
    request_id = target.of_click(interaction.body).instance_id
    try:
        view = await _details(interaction, service, request_id, prechecks, words)
        await interaction.client.views_update(view_id=interaction.view["id"], view=view)
    except (CountersignError, *SLACK_FAILURES, TimeoutError) as error:
        log.info("the details of %s are not drawn anew: %s", request_id, code_of(error) or error)
        return False
    return True


def _asks_again(item: RequestView, number: int) -> bool:
    voters = eligible_voters_of(item.progress, item.policy, item.asked.amount)
    round_ = voters.round(number)
    return round_ is not None and item.policy.asks_again(code=round_.code)


async def _details(
    interaction: Interaction, service: ApprovalService, request_id: str, prechecks: Prechecks, words: str = ""
) -> Json:
    item = await service.view(request_id)
    if not await prechecks.may_look(interaction.person, item):
        raise NotInvolvedError
    card, record, (round_, refusal) = await asyncio.gather(
        _card_link(interaction, item.progress),
        prechecks.record(interaction.person, item),
        prechecks.seat(interaction.person, item),
    )
    offers = Offers(
        card=card,
        record=record,
        thread=bool(item.progress.cards) and ("message" in interaction.body or card is not None),
        decide=None if refusal or item.progress.status.ended else round_,
        code=interaction.person in item.progress.confirming,
        confirm=_asks_again(item, round_),
    )
    return details_view(
        item.request, item.policy, item.progress, Origin(channel=interaction.channel), offers, words
    )


async def _card_link(interaction: Interaction, progress: Progress) -> str | None:
    """The link to the newest card; None if the person pressed on a card, or Slack does not answer in time."""
    if not progress.cards or "message" in interaction.body:
        return None
    ref = progress.cards[-1]
    try:
        async with asyncio.timeout(LINK_PATIENCE):
            found = await interaction.client.chat_getPermalink(channel=ref.channel, message_ts=ref.ts)
    except (*SLACK_FAILURES, TimeoutError) as error:
        log.info("no link to a card of %s: %s", progress.request_id, code_of(error) or error)
        return None
    return str(found["permalink"])


async def reject_form(_: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    """Draws the form for a rejection. The policy under which the request started says if a reason is needed."""
    return decision_forms.text_form(
        decision_forms.REJECTING, view.progress, origin, optional=not view.policy.require_reason
    )


async def _approve_form(_: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    return decision_forms.text_form(decision_forms.APPROVING, view.progress, origin)


async def _talk_form(interaction: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    return decision_forms.talk_form(
        view.progress, origin, requester=interaction.person == view.progress.requester
    )


async def _delegate_form(_: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    return decision_forms.delegate_form(view.progress, origin)


async def _cancel_form(interaction: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    if interaction.person != view.progress.requester:
        return Reason.NOT_THE_REQUESTER
    return decision_forms.text_form(decision_forms.CANCELLING, view.progress, origin)


async def answer_form(_: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    """Draws the form for the answer to a question, which is opened from the message with the question."""
    return decision_forms.text_form(decision_forms.ANSWERING, view.progress, origin)


async def edit_and_approve_form(_: Interaction, view: RequestView, origin: CardOrigin) -> Json | Reason:
    """Draws the form with the values that may be changed, filled in with the present ones."""
    if not view.progress.editable:
        return Reason.EDIT_NOT_ALLOWED
    return edit_form(view, origin)


FORMS: Final[dict[str, Draw]] = {
    cards.COMMENTED: _approve_form,
    cards.TALK: _talk_form,
    cards.DELEGATE: _delegate_form,
    cards.CANCEL: _cancel_form,
}


# The forms that only a person who may decide can use.
_OF_DECIDERS: Final = frozenset({reject_form, edit_and_approve_form, _approve_form, _delegate_form})


def _too_late(progress: Progress, round_: int | None) -> Verdict | None:
    """Why the form would be too late, or None. An early check only: the orchestration decides."""
    if progress.status.ended:
        return Verdict(command_id="-", reason=Reason.ALREADY_ENDED, ended_as=progress.status)
    oldest_open = progress.round - 1 if progress.status is Status.ESCALATED else progress.round
    over = round_ is not None and round_ < oldest_open
    return Verdict(command_id="-", reason=Reason.ROUND_OVER) if over else None
