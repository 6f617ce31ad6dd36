"""Typing a code in Slack instead of replying to the SMS: the button on a card, and the form that it opens."""

from __future__ import annotations

from typing import Final

from slack_bolt.async_app import AsyncApp

from bot.slack.input import target
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.messages.cards import ENTER_CODE
from bot.slack.views.code_form import ENTER_CODE_FORM, TYPED, CodeOrigin, code_form, read_code
from orchestration.challenge.models import ChallengeProgress, ChallengeStatus, CodeResult
from orchestration.domain.commands import Reason
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService, result_for
from orchestration.service.messages import SENTENCES, unconfirmed

NO_CODE: Final = "No code is waiting for you here. Press Approve first; I then send one to your phone."
NOT_A_CODE: Final = "A code is {digits} digits."
WRONG: Final = "That code isn't right, {left} {tries} left."
NOT_YET: Final = "Your code has come in and will be checked shortly; the card will say how it went."
ENDED: Final = "This code has ended. Press Approve again for a new one."


def register(app: AsyncApp, service: ApprovalService, challenges: ChallengeService) -> None:
    """Registers the button and the form."""

    @app.action(ENTER_CODE)
    @answered
    async def enter_code(interaction: Interaction) -> None:
        pressed = target.of_click(interaction.body)
        request = await service.status(pressed.instance_id)
        challenge = request.confirming.get(interaction.person)
        await interaction.ack()
        if pressed.identity != request.identity:
            await interaction.tell(SENTENCES[Reason.OUTDATED])
            return
        if challenge is None:
            await interaction.tell(NO_CODE)
            return
        progress = await challenges.status(challenge)
        form = code_form(
            progress, CodeOrigin(channel=interaction.channel, challenge=challenge), challenges.codes.digits
        )
        await interaction.show(form)

    @app.view(ENTER_CODE_FORM)
    @answered
    async def code(interaction: Interaction) -> None:
        challenge = CodeOrigin.model_validate_json(interaction.view["private_metadata"]).challenge
        digits = challenges.codes.digits_of(read_code(interaction.view))
        if digits is None:
            words = NOT_A_CODE.format(digits=challenges.codes.digits)
            await interaction.ack(response_action="errors", errors={TYPED: words})
            return
        before = await challenges.status(challenge)
        if before.user != interaction.person:
            await interaction.ack(response_action="errors", errors={TYPED: NO_CODE})
            return
        after = await challenges.answer_read(before, digits, interaction.id, patience=interaction.ack_left())
        answer = result_for(after, interaction.id)
        if answer is not None and not answer.right and answer.attempts_left > 0:
            await interaction.ack(response_action="errors", errors={TYPED: words_for(after, answer)})
            return
        await interaction.done()
        if answer is None and after.status is ChallengeStatus.WAITING:
            after = await challenges.judged(challenge, interaction.id)
            answer = result_for(after, interaction.id)
        if words := words_for(after, answer):
            await interaction.tell(words)


def words_for(progress: ChallengeProgress, answer: CodeResult | None) -> str:
    """What to say of a typed code that was judged so, or is not judged yet; "" where the card says it."""
    if progress.status is ChallengeStatus.VERIFIED or (answer is not None and answer.right):
        return ""
    if answer is not None and answer.attempts_left > 0:
        return WRONG.format(left=answer.attempts_left, tries="try" if answer.attempts_left == 1 else "tries")
    if answer is None and progress.status is ChallengeStatus.WAITING:
        return NOT_YET
    return unconfirmed(progress.trouble) if progress.trouble else ENDED
