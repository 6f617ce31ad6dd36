"""The two forms, submitted."""

from __future__ import annotations

from typing import Final

from slack_bolt.async_app import AsyncApp

from bot.slack.asking import to_request
from bot.slack.listeners.act import Act
from bot.slack.listeners.failures import answered
from bot.slack.listeners.verdicts import verdict_on
from bot.slack.modals import ASK, REASON, REJECT_REASON, RejectOrigin, block_of, read_ask_form, read_reason
from bot.slack.notices import asked
from orchestration.client import Door
from orchestration.errors import InvalidRequestError
from orchestration.models import Choice, Reason
from orchestration.words import sentence

IN_THE_FORM: Final = (
    0.7  # seconds that the verdict may take to be shown in the form; it is the ack that waits
)


def register(app: AsyncApp, door: Door) -> None:
    """Registers the submissions."""

    @app.view(ASK)
    @answered
    async def ask(act: Act) -> None:
        policies = door.policies()
        try:
            request = to_request(
                read_ask_form(act.view), policies, requester=act.person, idempotency_key=act.form_id
            )
            request_id = await door.start(request)
        except InvalidRequestError as error:
            errors = {block_of(error.field, act.view): str(error)}
            await act.ack(response_action="errors", errors=errors)
            return
        await act.ack()
        await act.tell(asked(request, request_id, policies[request.policy]))

    @app.view(REJECT_REASON)
    @answered
    async def reject(act: Act) -> None:
        card = RejectOrigin.model_validate_json(act.view["private_metadata"]).target
        ticket = await door.decide(
            card.instance_id,
            act.actor,
            Choice.REJECT,
            round=card.round,
            comment=read_reason(act.view),
            command_id=act.id,
        )
        verdict = await verdict_on(door, ticket, within=IN_THE_FORM)
        if verdict.reason is Reason.NO_ANSWER_YET:
            await act.ack()
            verdict = await verdict_on(door, ticket)
            if not verdict.accepted:
                await act.tell(sentence(verdict))
        elif verdict.accepted:
            await act.ack()
        else:
            await act.ack(response_action="errors", errors={REASON: sentence(verdict)})
