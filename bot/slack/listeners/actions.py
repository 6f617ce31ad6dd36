"""Handles presses of buttons and menu entries that `messages/cards.py` and `messages/notices.py` draw."""

from __future__ import annotations

from functools import partial
from typing import Final

from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.slack.api.codes import REDRAWN
from bot.slack.api.errors import code_of
from bot.slack.api.prechecks import Prechecks
from bot.slack.input import target
from bot.slack.input.draft import askable
from bot.slack.input.target import UnreadableCardError
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.open import (
    FORMS,
    answer_form,
    edit_and_approve_form,
    open_form,
    redraw,
    reject_form,
    say,
    show_details,
)
from bot.slack.listeners.verdicts import answer_press, answer_words
from bot.slack.messages import cards, digests, notices
from bot.slack.views import details
from bot.slack.views.request_form import CHOOSE_POLICY, Origin, ask_form, origin_in, read_ask_form
from orchestration.domain.names import fulfilment_id
from orchestration.domain.request import Choice
from orchestration.service.approvals import ApprovalService
from orchestration.service.fulfilments import FulfilmentService
from orchestration.service.messages import fulfilment_sentence

VERDICT_WITHIN: Final = 1.0  # seconds; Slack waits three for all of it
TRYING_AGAIN: Final = "It is being tried again; the thread under the card will say how it went."


def register(
    app: AsyncApp, service: ApprovalService, fulfilments: FulfilmentService, prechecks: Prechecks
) -> None:
    """Registers the buttons and menus. Approve and Reject are in Details too, and do the same there."""
    _card(app, service, prechecks)
    _messages(app, service, prechecks)
    _fulfilment(app, fulfilments)
    _chooser(app, service)
    _links(app)


def _card(app: AsyncApp, service: ApprovalService, prechecks: Prechecks) -> None:
    @app.action({"block_id": cards.ANY_ACTIONS, "action_id": cards.APPROVE})
    @answered
    async def approve(interaction: Interaction) -> None:
        card = target.of_click(interaction.body)
        ticket = await service.decide(
            card.instance_id,
            interaction.actor,
            Choice.APPROVE,
            shown=card.identity,
            round=card.round,
            command_id=interaction.id,
        )
        in_place = partial(say, interaction, service, prechecks)
        if not await answer_press(interaction, service, ticket, say=in_place) and interaction.in_modal:
            await redraw(interaction, service, prechecks)

    @app.action({"block_id": cards.ANY_ACTIONS, "action_id": cards.READ})
    @answered
    async def read(interaction: Interaction) -> None:
        """Opens Details with its Approve button, for a card that does not show all of what is asked."""
        await show_details(interaction, service, target.of_click(interaction.body).instance_id, prechecks)

    @app.action({"block_id": cards.ANY_ACTIONS, "action_id": cards.REJECT})
    @answered
    async def reject(interaction: Interaction) -> None:
        await open_form(interaction, service, prechecks, reject_form)

    @app.action({"block_id": cards.ACTIONS, "action_id": cards.EDIT})
    @answered
    async def edit(interaction: Interaction) -> None:
        await open_form(interaction, service, prechecks, edit_and_approve_form)

    @app.action({"block_id": cards.ACTIONS, "action_id": cards.MORE})
    @answered
    async def more(interaction: Interaction) -> None:
        choice = target.chosen(interaction.body)
        if choice == cards.DETAILS:
            await show_details(interaction, service, target.of_click(interaction.body).instance_id, prechecks)
        elif choice in FORMS:
            await open_form(interaction, service, prechecks, FORMS[choice])
        else:
            raise UnreadableCardError


def _messages(app: AsyncApp, service: ApprovalService, prechecks: Prechecks) -> None:
    @app.action({"block_id": notices.NOTICE, "action_id": notices.ANSWER})
    @answered
    async def answer(interaction: Interaction) -> None:
        await open_form(interaction, service, prechecks, answer_form, of_this_round=False)

    @app.action(digests.DETAILS)
    @answered
    async def details_of_line(interaction: Interaction) -> None:
        await show_details(interaction, service, target.of_click(interaction.body).instance_id, prechecks)

    @app.action({"block_id": notices.NOTICE, "action_id": notices.RETRY})
    @answered
    async def retry(interaction: Interaction) -> None:
        card = target.of_click(interaction.body)
        ticket = await service.retry(
            card.instance_id, interaction.actor, shown=card.identity, command_id=interaction.id
        )
        await answer_press(interaction, service, ticket, TRYING_AGAIN)


def _fulfilment(app: AsyncApp, fulfilments: FulfilmentService) -> None:
    @app.action({"block_id": notices.NOTICE, "action_id": notices.RETRY_FULFILMENT})
    @answered
    async def retry(interaction: Interaction) -> None:
        """Tries the fulfilment again. The command is on disk before the answer, which may be "not handled yet"."""
        card = target.of_click(interaction.body)
        # The nonce names the start that the message was about: after a purge, another request may have the same ID.
        instance_id = fulfilment_id(card.instance_id, card.identity.nonce)
        verdict = await fulfilments.retry(instance_id, interaction.actor, within=VERDICT_WITHIN)
        await answer_words(interaction, fulfilment_sentence(verdict))


def _links(app: AsyncApp) -> None:
    @app.action({"block_id": details.LINKS})
    @answered
    async def follow(_: Interaction) -> None:
        """Only acknowledges the press: the browser follows the link by itself."""


def _chooser(app: AsyncApp, service: ApprovalService) -> None:
    @app.action(CHOOSE_POLICY)
    @answered
    async def choose_policy(interaction: Interaction) -> None:
        origin = origin_in(interaction.view, Origin)
        form = ask_form(askable(service.book()), read_ask_form(interaction.view), origin)
        try:
            await interaction.client.views_update(
                view_id=interaction.view["id"], hash=interaction.view.get("hash"), view=form
            )
        except SlackApiError as error:
            if code_of(error) not in REDRAWN:
                raise
