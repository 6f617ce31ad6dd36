"""The two forms, submitted."""

from __future__ import annotations

from typing import Any, Final

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.asking import to_request
from bot.slack.listeners.person import act_id, form_id, person_of, tell
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
    async def ask(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        person, view, policies = person_of(body), body["view"], door.policies()
        try:
            request = to_request(
                read_ask_form(view), policies, requester=person.id, idempotency_key=form_id(view)
            )
            request_id = await door.start(request)
        except InvalidRequestError as error:
            await ack(response_action="errors", errors={block_of(error.field, view): str(error)})
            return
        await ack()
        await tell(client, person, asked(request, request_id, policies[request.policy]))

    @app.view(REJECT_REASON)
    async def reject(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        person, view = person_of(body), body["view"]
        rejected = RejectOrigin.model_validate_json(view["private_metadata"]).target
        ticket = await door.decide(
            rejected.instance_id,
            person.actor,
            Choice.REJECT,
            round=rejected.round,
            comment=read_reason(view),
            command_id=act_id(body),
        )
        verdict = await verdict_on(door, ticket, within=IN_THE_FORM)
        if verdict.reason is Reason.NO_ANSWER_YET:
            await ack()
            verdict = await verdict_on(door, ticket)
            if not verdict.accepted:
                await tell(client, person, sentence(verdict))
        elif verdict.accepted:
            await ack()
        else:
            await ack(response_action="errors", errors={REASON: sentence(verdict)})
