"""Handles standing grants: gives one with an approval, shows one, and revokes one."""

from __future__ import annotations

from typing import Final

from slack_bolt.async_app import AsyncApp

from bot.slack.api.prechecks import Prechecks
from bot.slack.blocks import Json
from bot.slack.input import target
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.open import open_form
from bot.slack.listeners.verdicts import answer_press, answer_submission, correct
from bot.slack.messages import cards, grants
from bot.slack.views import decision_forms, grant_form, home
from bot.slack.views.decision_forms import CardOrigin
from bot.slack.views.grant_form import read_grant_form, shown_grant
from bot.slack.views.request_form import Origin
from orchestration.approval.status import RequestView
from orchestration.domain.commands import Reason
from orchestration.domain.errors import InvalidRequestError, UnknownRequestError
from orchestration.domain.granting import GrantOffer
from orchestration.domain.request import Choice
from orchestration.service.approvals import ApprovalService
from orchestration.service.grants import GrantService, grant_sentence

REVOKED: Final = "Revoked. The next such call is asked about."


def register(app: AsyncApp, service: ApprovalService, standing: GrantService, prechecks: Prechecks) -> None:
    """Registers the buttons and the form."""
    _giving(app, service, standing, prechecks)

    @app.action({"block_id": grants.ACTIONS, "action_id": grants.SHOW})
    @answered
    async def show(interaction: Interaction) -> None:
        about = target.grant_of_click(interaction.body)
        progress = await standing.read(about.grant)
        if progress.facts.nonce != about.nonce:
            raise UnknownRequestError
        await interaction.show(shown_grant(progress.view(), Origin(channel=interaction.channel)))

    @app.action({"block_id": grants.ACTIONS, "action_id": grants.REVOKE})
    @answered
    async def revoke(interaction: Interaction) -> None:
        await _revoke(interaction, standing)

    @app.action(home.REVOKE_GRANT)
    @answered
    async def revoke_on_home(interaction: Interaction) -> None:
        await _revoke(interaction, standing)


def _giving(app: AsyncApp, service: ApprovalService, standing: GrantService, prechecks: Prechecks) -> None:
    async def draw(interaction: Interaction, item: RequestView, origin: CardOrigin) -> Json | Reason:
        """Draws the form with all that is granted. The policy under which the request started sets the limits."""
        if (reason := await prechecks.refusal(interaction.person, item)) is not None:
            return reason
        policy_grants = item.policy.grants
        if policy_grants is None or item.pattern is None or item.request.call is None:
            return Reason.NOT_GRANTABLE
        offer = GrantOffer(
            pattern=item.pattern, longest=policy_grants.longest, most_uses=policy_grants.most_uses
        )
        return grant_form.grant_form(item, offer, origin, standing.now())

    @app.action({"block_id": cards.ANY_ACTIONS, "action_id": cards.GRANT})
    @answered
    async def open_grant(interaction: Interaction) -> None:
        await open_form(interaction, service, prechecks, draw)

    @app.view(grant_form.ID)
    @answered
    async def give(interaction: Interaction) -> None:
        card = decision_forms.origin_of(interaction.view).target
        try:
            terms = read_grant_form(interaction.view)
        except InvalidRequestError as error:
            await correct(interaction, grant_form.UNTIL, str(error))
            return
        ticket = await service.decide(
            card.instance_id,
            interaction.actor,
            Choice.APPROVE,
            shown=card.identity,
            round=card.round,
            grant=terms,
            command_id=interaction.id,
        )
        await answer_submission(interaction, service, ticket, grant_form.UNTIL)


async def _revoke(interaction: Interaction, standing: GrantService) -> None:
    about = target.grant_of_click(interaction.body)
    ticket = await standing.revoke(
        about.grant, interaction.actor, nonce=about.nonce, command_id=interaction.id
    )
    await answer_press(interaction, standing, ticket, REVOKED, words=grant_sentence)
