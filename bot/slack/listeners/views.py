"""The forms, submitted."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack import forms
from bot.slack.asking import to_request
from bot.slack.listeners.act import Act
from bot.slack.listeners.failures import answered
from bot.slack.listeners.verdicts import answer_form
from bot.slack.modals import ASK, block_of, read_ask_form, values_of
from bot.slack.notices import asked
from orchestration.client import Door, Ticket
from orchestration.errors import InvalidRequestError
from orchestration.models import Choice, RemarkKind


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
    @app.view(forms.REJECTING.id)
    @answered
    async def reject(act: Act) -> None:
        ticket = await _decide(act, door, Choice.REJECT, forms.REJECTING)
        await answer_form(act, door, ticket, forms.REJECTING.field)

    @app.view(forms.APPROVING.id)
    @answered
    async def approve(act: Act) -> None:
        ticket = await _decide(act, door, Choice.APPROVE, forms.APPROVING)
        await answer_form(act, door, ticket, forms.APPROVING.field)

    @app.view(forms.DELEGATING.id)
    @answered
    async def delegate(act: Act) -> None:
        card = forms.origin_of(act.view).target
        to = values_of(act.view)[forms.PERSON]
        ticket = await door.delegate(card.instance_id, act.actor, to, round=card.round, command_id=act.id)
        await answer_form(act, door, ticket, forms.DELEGATING.field)

    @app.view(forms.CANCELLING.id)
    @answered
    async def cancel(act: Act) -> None:
        card = forms.origin_of(act.view).target
        reason = forms.text_of(forms.CANCELLING, act.view)
        ticket = await door.cancel(card.instance_id, act.actor, reason=reason, command_id=act.id)
        await answer_form(act, door, ticket, forms.CANCELLING.field)


def _talking(app: AsyncApp, door: Door) -> None:
    @app.view(forms.TALKING.id)
    @answered
    async def talk(act: Act) -> None:
        await _say(act, door, forms.kind_of(act.view), forms.TALKING)

    @app.view(forms.ANSWERING.id)
    @answered
    async def answer(act: Act) -> None:
        await _say(act, door, RemarkKind.ANSWER, forms.ANSWERING)


async def _decide(act: Act, door: Door, choice: Choice, form: forms.Form) -> Ticket:
    card = forms.origin_of(act.view).target
    return await door.decide(
        card.instance_id,
        act.actor,
        choice,
        round=card.round,
        comment=forms.text_of(form, act.view),
        command_id=act.id,
    )


async def _say(act: Act, door: Door, kind: RemarkKind, form: forms.Form) -> None:
    card = forms.origin_of(act.view).target
    try:
        ticket = await door.comment(
            card.instance_id, act.actor, kind, forms.text_of(form, act.view), command_id=act.id
        )
    except InvalidRequestError as error:
        await act.ack(response_action="errors", errors={form.field: str(error)})
        return
    await answer_form(act, door, ticket, form.field)
