"""`/request-approval`: asks at once, opens the form, runs an errand, or explains itself."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack.input import grammar
from bot.slack.input.draft import to_request
from bot.slack.input.grammar import Ask, Errand, Explain, Fill
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Act
from bot.slack.listeners.subcommands import Errands
from bot.slack.messages.notices import asked
from bot.slack.views.request_form import Origin, ask_form
from orchestration.domain.errors import InvalidRequestError


def register(app: AsyncApp, errands: Errands) -> None:
    """Registers the slash command."""
    door = errands.door

    @app.command(grammar.COMMAND)
    @answered
    async def request_approval(act: Act) -> None:
        policies = door.book().policies
        wish = grammar.parse(act.body.get("text") or "", policies)
        if isinstance(wish, Errand):
            try:
                await errands.run(act, wish)
            except InvalidRequestError as error:
                await act.ack(str(error))
            return
        if isinstance(wish, Ask):
            try:
                request = to_request(wish.draft, policies, requester=act.person, idempotency_key=act.id)
                request_id = await door.start(request)
            except InvalidRequestError as error:
                wish = Explain(str(error))
            else:
                await act.ack(asked(request, request_id, policies[request.policy]))
                return
        if isinstance(wish, Fill):
            await act.ack()
            form = ask_form(policies, wish.draft, Origin(channel=act.channel))
            await act.client.views_open(trigger_id=act.body["trigger_id"], view=form)
            return
        await act.ack(grammar.explanation(wish, policies))
