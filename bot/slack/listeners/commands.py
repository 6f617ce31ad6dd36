"""`/request-approval`: asks at once, opens the form, or explains itself."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import grammar
from bot.slack.asking import to_request
from bot.slack.grammar import Ask, Explain, Fill
from bot.slack.listeners.person import act_id, person_of
from bot.slack.modals import Origin, ask_form
from bot.slack.notices import asked
from orchestration.client import Door
from orchestration.errors import InvalidRequestError


def register(app: AsyncApp, door: Door) -> None:
    """Registers the slash command."""

    @app.command(grammar.COMMAND)
    async def request_approval(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        person = person_of(body)
        policies = door.policies()
        wish = grammar.parse(body.get("text") or "", policies)
        if isinstance(wish, Ask):
            try:
                request = to_request(wish.draft, policies, requester=person.id, idempotency_key=act_id(body))
                request_id = await door.start(request)
            except InvalidRequestError as error:
                wish = Explain(str(error))
            else:
                await ack(asked(request, request_id, policies[request.policy]))
                return
        if isinstance(wish, Fill):
            await ack()
            form = ask_form(policies, wish.draft, Origin(channel=person.channel))
            await client.views_open(trigger_id=body["trigger_id"], view=form)
            return
        await ack(grammar.explanation(wish, policies))
