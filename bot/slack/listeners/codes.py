"""Takes codes that are typed in Slack instead of a reply to the SMS: a card's button, and the form that it opens."""

from __future__ import annotations

from typing import Final

from slack_bolt.async_app import AsyncApp

from bot.slack.input import target
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.verdicts import answer, answer_words, correct
from bot.slack.messages.cards import ENTER_CODE
from bot.slack.views.code_form import ENTER_CODE_FORM, TYPED, CodeOrigin, code_form, read_code
from bot.slack.views.request_form import origin_in
from orchestration.challenge.models import ChallengeStatus
from orchestration.domain.answers import AwaitedCode, OwedAnswer
from orchestration.domain.commands import Reason
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService, result_for
from orchestration.service.messages import SENTENCES, typed_code

NO_CODE: Final = "No code is waiting for you here. Press Approve first; I then send one to your phone."
NOT_A_CODE: Final = "A code is {digits} digits."


def register(app: AsyncApp, service: ApprovalService, challenges: ChallengeService) -> None:
    """Registers the button and the form."""

    @app.action(ENTER_CODE)
    @answered
    async def enter_code(interaction: Interaction) -> None:
        pressed = target.of_click(interaction.body)
        request = await service.status(pressed.instance_id)
        challenge = request.confirming.get(interaction.person)
        if pressed.identity != request.identity:
            await answer_words(interaction, SENTENCES[Reason.OUTDATED])
            return
        if challenge is None:
            await answer_words(interaction, NO_CODE)
            return
        progress = await challenges.status(challenge)
        form = code_form(
            progress, CodeOrigin(channel=interaction.channel, challenge=challenge), challenges.codes.digits
        )
        await interaction.show(form)

    @app.view(ENTER_CODE_FORM)
    @answered
    async def code(interaction: Interaction) -> None:
        challenge = origin_in(interaction.view, CodeOrigin).challenge
        digits = challenges.codes.digits_of(read_code(interaction.view))
        if digits is None:
            words = NOT_A_CODE.format(digits=challenges.codes.digits)
            await correct(interaction, TYPED, words)
            return
        before = await challenges.status(challenge)
        if before.user != interaction.person:
            await correct(interaction, TYPED, NO_CODE)
            return
        after = await challenges.answer_read(before, digits, interaction.id, patience=interaction.ack_left())
        judged = result_for(after, interaction.id)
        if judged is not None and not judged.right and judged.attempts_left > 0:
            await correct(interaction, TYPED, typed_code(after, judged))
        elif judged is None and after.status is ChallengeStatus.WAITING:
            awaited = AwaitedCode(challenge=challenge, command_id=interaction.id)
            owed = OwedAnswer(person=interaction.person, place=interaction.channel, code=awaited)
            await answer(interaction, _tell_judgement(interaction, challenges, challenge), owed)
        elif words := typed_code(after, judged):
            await answer_words(interaction, words)


async def _tell_judgement(interaction: Interaction, challenges: ChallengeService, challenge: str) -> bool:
    """Waits for the result of the code, and tells the person. Returns whether they have the whole answer."""
    after = await challenges.judged(challenge, interaction.id)
    judged = result_for(after, interaction.id)
    words = typed_code(after, judged)
    told = not words or await interaction.tell(words)
    return told and (judged is not None or after.status is not ChallengeStatus.WAITING)
