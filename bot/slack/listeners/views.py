"""The forms, submitted."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack.input.draft import to_request
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Act
from bot.slack.listeners.verdicts import answer_form
from bot.slack.messages.notices import asked
from bot.slack.views import decision_forms
from bot.slack.views.request_form import ASK, block_of, read_ask_form, values_of
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.request import Choice, RemarkKind
from orchestration.service.approvals import Door, Ticket


def register(app: AsyncApp, door: Door) -> None:
    """Registers the submissions."""
    _asking(app, door)
    _deciding(app, door)
    _talking(app, door)


def _asking(app: AsyncApp, door: Door) -> None:
    @app.view(ASK)
    @answered
    async def ask(act: Act) -> None:
        policies = door.book().policies
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


def _deciding(app: AsyncApp, door: Door) -> None:
    @app.view(decision_forms.REJECTING.id)
    @answered
    async def reject(act: Act) -> None:
        ticket = await _decide(act, door, Choice.REJECT, decision_forms.REJECTING)
        await answer_form(act, door, ticket, decision_forms.REJECTING.field)

    @app.view(decision_forms.APPROVING.id)
    @answered
    async def approve(act: Act) -> None:
        ticket = await _decide(act, door, Choice.APPROVE, decision_forms.APPROVING)
        await answer_form(act, door, ticket, decision_forms.APPROVING.field)

    @app.view(decision_forms.DELEGATING.id)
    @answered
    async def delegate(act: Act) -> None:
        card = decision_forms.origin_of(act.view).target
        to = values_of(act.view)[decision_forms.PERSON]
        ticket = await door.delegate(card.instance_id, act.actor, to, round=card.round, command_id=act.id)
        await answer_form(act, door, ticket, decision_forms.DELEGATING.field)

    @app.view(decision_forms.CANCELLING.id)
    @answered
    async def cancel(act: Act) -> None:
        card = decision_forms.origin_of(act.view).target
        reason = decision_forms.text_of(decision_forms.CANCELLING, act.view)
        ticket = await door.cancel(card.instance_id, act.actor, reason=reason, command_id=act.id)
        await answer_form(act, door, ticket, decision_forms.CANCELLING.field)


def _talking(app: AsyncApp, door: Door) -> None:
    @app.view(decision_forms.TALKING.id)
    @answered
    async def talk(act: Act) -> None:
        await _say(act, door, decision_forms.kind_of(act.view), decision_forms.TALKING)

    @app.view(decision_forms.ANSWERING.id)
    @answered
    async def answer(act: Act) -> None:
        await _say(act, door, RemarkKind.ANSWER, decision_forms.ANSWERING)


async def _decide(act: Act, door: Door, choice: Choice, form: decision_forms.Form) -> Ticket:
    card = decision_forms.origin_of(act.view).target
    return await door.decide(
        card.instance_id,
        act.actor,
        choice,
        round=card.round,
        comment=decision_forms.text_of(form, act.view),
        command_id=act.id,
    )


async def _say(act: Act, door: Door, kind: RemarkKind, form: decision_forms.Form) -> None:
    card = decision_forms.origin_of(act.view).target
    try:
        ticket = await door.comment(
            card.instance_id, act.actor, kind, decision_forms.text_of(form, act.view), command_id=act.id
        )
    except InvalidRequestError as error:
        await act.ack(response_action="errors", errors={form.field: str(error)})
        return
    await answer_form(act, door, ticket, form.field)
