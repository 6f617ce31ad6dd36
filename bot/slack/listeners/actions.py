"""The buttons on a card, and the policy chooser in the form."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack import target
from bot.slack.cards import ACTIONS, APPROVE, REJECT
from bot.slack.errors import code_of
from bot.slack.listeners.person import act_id, person_of, tell
from bot.slack.listeners.verdicts import verdict_on
from bot.slack.modals import CHOOSE_POLICY, Origin, RejectOrigin, ask_form, read_ask_form, reject_form
from orchestration.client import Door
from orchestration.models import Choice, Progress, Reason, Status, Verdict
from orchestration.words import sentence


def register(app: AsyncApp, door: Door) -> None:
    """Registers what can be pressed."""

    @app.action({"block_id": ACTIONS, "action_id": APPROVE})
    async def approve(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        person, pressed, command_id = person_of(body), target.of_click(body), act_id(body)
        ticket = await door.decide(
            pressed.instance_id, person.actor, Choice.APPROVE, round=pressed.round, command_id=command_id
        )
        await ack()
        verdict = await verdict_on(door, ticket)
        if not verdict.accepted:  # an accepted one needs no words: the card changes
            await tell(client, person, sentence(verdict), respond)

    @app.action({"block_id": ACTIONS, "action_id": REJECT})
    async def reject(
        ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, respond: AsyncRespond
    ) -> None:
        await ack()
        person, pressed = person_of(body), target.of_click(body)
        progress = await door.status(pressed.instance_id)
        if too_late := _too_late(progress, pressed.round):
            await tell(client, person, sentence(too_late), respond)
            return
        # The snapshot that the request was asked under decides; today's policy only says how to draw the form.
        policy = door.policies().get(progress.policy)
        form = reject_form(
            progress,
            RejectOrigin(channel=person.channel, target=pressed),
            reason_required=policy is None or policy.require_reason,
        )
        await client.views_open(trigger_id=body["trigger_id"], view=form)

    @app.action(CHOOSE_POLICY)
    async def choose_policy(ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        await ack()
        view = body["view"]
        form = ask_form(
            door.policies(), read_ask_form(view), Origin.model_validate_json(view["private_metadata"])
        )
        try:
            await client.views_update(view_id=view["id"], hash=view["hash"], view=form)
        except SlackApiError as error:
            # A newer choice has redrawn the form already, or it was closed: either way nobody waits for this one.
            if code_of(error) not in {"hash_conflict", "not_found"}:
                raise


def _too_late(progress: Progress, round_: int) -> Verdict | None:
    """A courtesy, so that nobody writes a reason in vain; the orchestration is the guard."""
    if progress.status.ended:
        return Verdict(command_id="-", reason=Reason.ALREADY_ENDED, ended_as=progress.status)
    oldest_open = progress.round - 1 if progress.status is Status.ESCALATED else progress.round
    return Verdict(command_id="-", reason=Reason.ROUND_OVER) if round_ < oldest_open else None
