"""Listeners: turn what people do in Slack into commands of the services.

The order is always: commit to the hub, answer the person, then ack. So everything acknowledged is on disk, and the
person knows the result. If the answer would be too late, it is recorded as owed before the ack. If an act can be
neither committed nor recorded as owed, it is not acknowledged, and Slack itself shows a failure.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from slack_bolt.async_app import AsyncApp, AsyncBoltContext

from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.prechecks import Prechecks
from bot.slack.api.pulse import Pulse
from bot.slack.api.slack_time import SlackTime
from bot.slack.api.under_way import UnderWay
from bot.slack.listeners import actions, call_lists, codes, commands, home, views
from bot.slack.listeners import gatherings as gathering_listeners
from bot.slack.listeners import grants as grant_listeners
from bot.slack.listeners.asking import AskStarter
from bot.slack.listeners.interaction import PromptAck
from bot.slack.listeners.subcommands import Subcommands
from orchestration.service.answers import OwedAnswers
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService
from orchestration.service.fulfilments import FulfilmentService
from orchestration.service.gatherings import GatheringService
from orchestration.service.grants import GrantService


@dataclass(frozen=True)
class ListenerServices:
    """The services that the listeners call. `challenges` is None without a way to send codes."""

    approvals: ApprovalService
    gatherings: GatheringService
    fulfilments: FulfilmentService
    owed: OwedAnswers
    grants: GrantService
    challenges: ChallengeService | None = None


def register(
    app: AsyncApp,
    services: ListenerServices,
    *,
    time: SlackTime,
    pulse: Pulse,
    prechecks: Prechecks,
    home_publisher: HomePublisher,
    under_way: UnderWay,
) -> None:
    """Registers every listener. Each handles its own failures, so no `app.error` handler is needed."""

    @app.middleware
    async def equip(context: AsyncBoltContext, next: Callable[[], Awaitable[None]]) -> None:
        """Gives each request the app's client: failures of the client that Bolt makes would not be counted."""
        context["client"] = app.client
        context["ack"] = PromptAck()
        context["owed"] = services.owed
        context["under_way"] = under_way
        await next()

    approvals, gatherings = services.approvals, services.gatherings
    subcommands = Subcommands(approvals, gatherings, prechecks, home_publisher)
    asks = AskStarter(approvals, gatherings, app.client, time, pulse)
    commands.register(app, subcommands, asks)
    actions.register(app, approvals, services.fulfilments, prechecks)
    views.register(app, approvals, asks)
    gathering_listeners.register(app, gatherings)
    home.register(app, subcommands)
    call_lists.register(app, approvals, prechecks)
    grant_listeners.register(app, approvals, services.grants, prechecks)
    if services.challenges is not None:
        codes.register(app, approvals, services.challenges)
