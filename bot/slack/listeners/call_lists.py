"""Approves or rejects several waiting calls at once: exactly those that the card showed when it was pressed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from slack_bolt.async_app import AsyncApp

from bot.slack import blocks
from bot.slack.api.prechecks import Prechecks
from bot.slack.input import target
from bot.slack.input.target import Target, Targets
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.open import show_details
from bot.slack.listeners.verdicts import answer, verdict_on
from bot.slack.messages import call_lists, cards
from bot.slack.text import safe
from bot.slack.views.decision_forms import REJECTING, TEXT_LIMIT
from bot.slack.views.request_form import Origin, modal, origin_in, values_of
from orchestration.domain.answers import OwedAnswer
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Choice
from orchestration.service.approvals import ApprovalService
from orchestration.service.messages import sentence
from orchestration.service.tickets import Ticket

REJECT_FORM: Final = "reject_all_form"
REASON: Final = "reason"
TOLD: Final = 1500  # characters
RECORDED: Final = "What you pressed for these calls is on record; their card says what came of each."


class CallsOrigin(Origin):
    """Where the form was opened from, with the calls that it is about."""

    targets: Targets


def register(app: AsyncApp, service: ApprovalService, prechecks: Prechecks) -> None:
    """Registers the buttons and the form."""

    @app.action({"block_id": cards.ANY_ACTIONS, "action_id": call_lists.DETAILS})
    @answered
    async def details(interaction: Interaction) -> None:
        await show_details(interaction, service, target.of_click(interaction.body).instance_id, prechecks)

    @app.action({"block_id": call_lists.ALL, "action_id": call_lists.APPROVE_ALL})
    @answered
    async def approve_all(interaction: Interaction) -> None:
        await _decide(interaction, service, target.targets_of_click(interaction.body), Choice.APPROVE)

    @app.action({"block_id": call_lists.ALL, "action_id": call_lists.REJECT_ALL})
    @answered
    async def open_reject_all(interaction: Interaction) -> None:
        """Opens the form for the calls that the pressed card showed; calls that came later are not included."""
        targets = target.targets_of_click(interaction.body)
        reason = blocks.text_input(
            REASON, REJECTING.label, limit=TEXT_LIMIT, hint=REJECTING.hint, multiline=True
        )
        lead = blocks.section(f"You reject the {len(targets.calls)} calls that the card showed you.")
        origin = CallsOrigin(channel=interaction.channel, targets=targets)
        await interaction.show(modal(REJECT_FORM, "Reject these calls", "Reject all", [lead, reason], origin))

    @app.view(REJECT_FORM)
    @answered
    async def reject_all(interaction: Interaction) -> None:
        origin = origin_in(interaction.view, CallsOrigin)
        words = values_of(interaction.view).get(REASON, "")
        await _decide(interaction, service, origin.targets, Choice.REJECT, words)


async def _decide(
    interaction: Interaction, service: ApprovalService, targets: Targets, choice: Choice, comment: str = ""
) -> None:
    """Decides each call by its own command, on what was shown. Acks once each is on disk or refused."""
    decided = await asyncio.gather(
        *(
            _ticket(interaction, service, one, choice, comment, number)
            for number, one in enumerate(targets.calls)
        )
    )

    async def tell() -> bool:
        verdicts = await asyncio.gather(
            *(verdict_on(service, one) for one in decided if isinstance(one, Ticket))
        )
        words = _words(targets, decided, verdicts)
        told = not words or await interaction.tell(words)
        return told and all(verdict.reason is not Reason.NO_ANSWER_YET for verdict in verdicts)

    owed = OwedAnswer(person=interaction.person, place=interaction.channel, words=RECORDED)
    await answer(interaction, tell(), owed, within=interaction.verdict_left())


async def _ticket(
    interaction: Interaction,
    service: ApprovalService,
    about: Target,
    choice: Choice,
    comment: str,
    number: int,
) -> Ticket | str:
    """The command once it is on disk, or why it was refused. A failure does not stop the other commands."""
    try:
        return await service.decide(
            about.instance_id,
            interaction.actor,
            choice,
            shown=about.identity,
            round=about.round,
            comment=comment,
            command_id=f"{interaction.id}-{number}",
        )
    except CountersignError as error:
        return str(error)


def _words(targets: Targets, decided: Sequence[Ticket | str], verdicts: Sequence[Verdict]) -> str:
    """What to say about the calls that were not recorded; "" if all were, as the card shows that."""
    left = iter(verdicts)
    refused = []
    for about, one in zip(targets.calls, decided, strict=True):
        verdict = next(left) if isinstance(one, Ticket) else None
        if verdict is None or not (verdict.accepted or verdict.reason is Reason.NO_ANSWER_YET):
            why = one if isinstance(one, str) else sentence(verdict) if verdict else ""
            refused.append(f"`{safe(about.instance_id, 60)}`: {why}")
    if not refused:
        return ""
    lead = f"{len(targets.calls) - len(refused)} of {len(targets.calls)} are recorded. Not these:"
    return "\n".join([lead, *refused])[:TOLD]
