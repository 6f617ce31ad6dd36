"""Handles gatherings: opens the form for an answer, takes the answer, and withdraws a gathering."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack.input import target
from bot.slack.input.target import GatheringTarget
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.open import show_gathering
from bot.slack.listeners.verdicts import answer_submission, answer_words, correct
from bot.slack.messages import gatherings as messages
from bot.slack.views import gathering_forms, home_gatherings
from bot.slack.views.gathering_forms import GatheringOrigin
from bot.slack.views.request_form import block_of, values_of
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.gathering import AnswerWay
from orchestration.gathering.status import GatheringRead
from orchestration.service.gathering_messages import gathering_sentence
from orchestration.service.gatherings import GatheringService


def register(app: AsyncApp, service: GatheringService) -> None:
    """Registers the buttons and the forms."""

    @app.action(home_gatherings.OPENED)
    @answered
    async def look(interaction: Interaction) -> None:
        await show_gathering(interaction, service, target.gathering_of_click(interaction.body).instance_id)

    @app.action(home_gatherings.ANSWER)
    @app.action({"block_id": messages.ACTIONS, "action_id": messages.ANSWER})
    @answered
    async def open_answer(interaction: Interaction) -> None:
        about = target.gathering_of_click(interaction.body)
        read = await service.read(about.instance_id)
        refusal = _why_not(interaction.person, about, read)
        if refusal is not None:
            await answer_words(interaction, _words(refusal))
            return
        origin = GatheringOrigin(channel=interaction.channel, target=about)
        await interaction.show(gathering_forms.answer_form(read, about.source, interaction.person, origin))

    @app.action({"block_id": messages.ACTIONS, "action_id": messages.WITHDRAW})
    @answered
    async def open_withdrawal(interaction: Interaction) -> None:
        about = target.gathering_of_click(interaction.body)
        progress = await service.status(about.instance_id)
        if progress.status.ended:
            await answer_words(interaction, _words(Reason.ALREADY_ENDED))
        elif interaction.person != progress.requester:
            await answer_words(interaction, _words(Reason.NOT_THE_REQUESTER))
        else:
            origin = GatheringOrigin(channel=interaction.channel, target=about)
            await interaction.show(gathering_forms.withdraw_form(progress, origin))

    @app.view(gathering_forms.ANSWER_FORM)
    @answered
    async def answer(interaction: Interaction) -> None:
        about = gathering_forms.gathering_origin(interaction.view).target
        try:
            ticket = await service.answer(
                about.instance_id,
                interaction.actor,
                about.source,
                gathering_forms.read_answer_form(interaction.view),
                way=AnswerWay.CHAT,
                nonce=about.nonce,
                command_id=interaction.id,
            )
        except InvalidRequestError as error:
            await correct(interaction, block_of(error.field, interaction.view), str(error))
            return
        field = block_of(None, interaction.view)
        await answer_submission(interaction, service, ticket, field, words=gathering_sentence)

    @app.view(gathering_forms.WITHDRAW_FORM)
    @answered
    async def withdraw(interaction: Interaction) -> None:
        about = gathering_forms.gathering_origin(interaction.view).target
        ticket = await service.withdraw(
            about.instance_id,
            interaction.actor,
            way=AnswerWay.CHAT,
            reason=values_of(interaction.view).get(gathering_forms.REASON, ""),
            nonce=about.nonce,
            command_id=interaction.id,
        )
        await answer_submission(
            interaction, service, ticket, gathering_forms.REASON, words=gathering_sentence
        )


def _why_not(person: str, about: GatheringTarget, read: GatheringRead) -> Reason | None:
    """Why an answer of the person could not count, or None. An early check only: the orchestration decides."""
    if read.progress.nonce != about.nonce or about.source not in read.policy.sources:
        return Reason.OUTDATED
    if read.progress.status.ended:
        return Reason.ALREADY_ENDED
    asked = next(one for one in read.progress.sources if one.name == about.source)
    if person not in {asked.person, asked.delegate}:
        return Reason.NOT_ASKED
    if asked.answer is not None and asked.answer.actor == asked.person != person:
        return Reason.ANSWERED_BY_HOLDER
    return None


def _words(reason: Reason) -> str:
    return gathering_sentence(Verdict(command_id="-", reason=reason))
