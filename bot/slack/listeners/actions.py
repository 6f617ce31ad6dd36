"""The buttons on a card, and the policy chooser in the form."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.slack import target
from bot.slack.cards import ACTIONS, APPROVE, REJECT
from bot.slack.errors import code_of
from bot.slack.listeners.act import Act
from bot.slack.listeners.failures import answered
from bot.slack.listeners.verdicts import verdict_on
from bot.slack.modals import CHOOSE_POLICY, Origin, RejectOrigin, ask_form, read_ask_form, reject_form
from orchestration.client import Door
from orchestration.models import Choice, Progress, Reason, Status, Verdict
from orchestration.words import sentence


def register(app: AsyncApp, door: Door) -> None:
    """Registers what can be pressed."""

    @app.action({"block_id": ACTIONS, "action_id": APPROVE})
    @answered
    async def approve(act: Act) -> None:
        card = target.of_click(act.body)
        ticket = await door.decide(
            card.instance_id, act.actor, Choice.APPROVE, round=card.round, command_id=act.id
        )
        await act.ack()
        verdict = await verdict_on(door, ticket)
        if not verdict.accepted:  # an accepted one needs no words: the card changes
            await act.tell(sentence(verdict))

    @app.action({"block_id": ACTIONS, "action_id": REJECT})
    @answered
    async def reject(act: Act) -> None:
        await act.ack()
        card = target.of_click(act.body)
        progress = await door.status(card.instance_id)
        if too_late := _too_late(progress, card.round):
            await act.tell(sentence(too_late))
            return
        # The snapshot that the request was asked under decides; today's policy only says how to draw the form.
        policy = door.policies().get(progress.policy)
        form = reject_form(
            progress,
            RejectOrigin(channel=act.channel, target=card),
            reason_required=policy is None or policy.require_reason,
        )
        await act.client.views_open(trigger_id=act.body["trigger_id"], view=form)

    @app.action(CHOOSE_POLICY)
    @answered
    async def choose_policy(act: Act) -> None:
        await act.ack()
        origin = Origin.model_validate_json(act.view["private_metadata"])
        form = ask_form(door.policies(), read_ask_form(act.view), origin)
        try:
            await act.client.views_update(view_id=act.view["id"], hash=act.view["hash"], view=form)
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
