"""Handles submitted forms: turns what was filled in into commands."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack.listeners.asking import AskStarter
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.verdicts import answer_submission, answer_words, correct
from bot.slack.views import decision_forms, edit_form
from bot.slack.views.request_form import ASK, block_of, filled_in, read_ask_form
from orchestration.domain.edits import NOTHING_CHANGED
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.request import Choice, RemarkKind
from orchestration.service.approvals import ApprovalService
from orchestration.service.tickets import Ticket


def register(app: AsyncApp, service: ApprovalService, asks: AskStarter) -> None:
    """Registers the submissions."""
    _asking(app, asks)
    _deciding(app, service)
    _talking(app, service)


def _asking(app: AsyncApp, asks: AskStarter) -> None:
    @app.view(ASK)
    @answered
    async def ask(interaction: Interaction) -> None:
        try:
            words = await asks.ask(interaction, read_ask_form(interaction.view), interaction.form_id)
        except InvalidRequestError as error:
            await correct(interaction, block_of(error.field, interaction.view), str(error))
            return
        await answer_words(interaction, words)


def _deciding(app: AsyncApp, service: ApprovalService) -> None:
    @app.view(decision_forms.REJECTING.id)
    @answered
    async def reject(interaction: Interaction) -> None:
        ticket = await _decide(interaction, service, Choice.REJECT, decision_forms.REJECTING)
        await answer_submission(interaction, service, ticket, decision_forms.REJECTING.field)

    @app.view(decision_forms.APPROVING.id)
    @answered
    async def approve(interaction: Interaction) -> None:
        ticket = await _decide(interaction, service, Choice.APPROVE, decision_forms.APPROVING)
        await answer_submission(interaction, service, ticket, decision_forms.APPROVING.field)

    @app.view(edit_form.EDIT_FORM)
    @answered
    async def edit_and_approve(interaction: Interaction) -> None:
        await _edit_and_approve(interaction, service)

    @app.view(decision_forms.DELEGATING.id)
    @answered
    async def delegate(interaction: Interaction) -> None:
        card = decision_forms.origin_of(interaction.view).target
        to = filled_in(interaction.view, decision_forms.PERSON)
        ticket = await service.delegate(
            card.instance_id,
            interaction.actor,
            to,
            shown=card.identity,
            round=card.round,
            command_id=interaction.id,
        )
        await answer_submission(interaction, service, ticket, decision_forms.DELEGATING.field)

    @app.view(decision_forms.CANCELLING.id)
    @answered
    async def cancel(interaction: Interaction) -> None:
        card = decision_forms.origin_of(interaction.view).target
        reason = decision_forms.text_of(decision_forms.CANCELLING, interaction.view)
        ticket = await service.cancel(
            card.instance_id,
            interaction.actor,
            reason=reason,
            shown=card.identity,
            command_id=interaction.id,
        )
        await answer_submission(interaction, service, ticket, decision_forms.CANCELLING.field)


def _talking(app: AsyncApp, service: ApprovalService) -> None:
    @app.view(decision_forms.TALKING.id)
    @answered
    async def talk(interaction: Interaction) -> None:
        await _say(interaction, service, decision_forms.kind_of(interaction.view), decision_forms.TALKING)

    @app.view(decision_forms.ANSWERING.id)
    @answered
    async def answer(interaction: Interaction) -> None:
        await _say(interaction, service, RemarkKind.ANSWER, decision_forms.ANSWERING)


async def _decide(
    interaction: Interaction, service: ApprovalService, choice: Choice, form: decision_forms.Form
) -> Ticket:
    card = decision_forms.origin_of(interaction.view).target
    return await service.decide(
        card.instance_id,
        interaction.actor,
        choice,
        shown=card.identity,
        round=card.round,
        comment=decision_forms.text_of(form, interaction.view),
        command_id=interaction.id,
    )


async def _edit_and_approve(interaction: Interaction, service: ApprovalService) -> None:
    card = decision_forms.origin_of(interaction.view).target
    try:
        edits = edit_form.changes_in(interaction.view)
        if not edits:
            await correct(interaction, edit_form.COMMENT, NOTHING_CHANGED)
            return
        ticket = await service.decide(
            card.instance_id,
            interaction.actor,
            Choice.APPROVE,
            shown=card.identity,
            round=card.round,
            comment=edit_form.comment_in(interaction.view),
            edits=edits,
            command_id=interaction.id,
        )
    except InvalidRequestError as error:
        await correct(interaction, edit_form.block_of_path(error.field, interaction.view), str(error))
        return
    await answer_submission(interaction, service, ticket, edit_form.COMMENT)


async def _say(
    interaction: Interaction, service: ApprovalService, kind: RemarkKind, form: decision_forms.Form
) -> None:
    card = decision_forms.origin_of(interaction.view).target
    try:
        ticket = await service.comment(
            card.instance_id,
            interaction.actor,
            kind,
            decision_forms.text_of(form, interaction.view),
            shown=card.identity,
            command_id=interaction.id,
        )
    except InvalidRequestError as error:
        await correct(interaction, form.field, str(error))
        return
    await answer_submission(interaction, service, ticket, form.field)
