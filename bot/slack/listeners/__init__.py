"""What people do in Slack, as commands at the service.

The order is always: commit to the hub, then ack, so that a press that Slack took is on disk. Only a form that is to
be opened is acked first. Whatever goes wrong, the person is told where they acted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from slack_bolt.async_app import AsyncApp, AsyncBoltContext

from bot.slack.api.home_publisher import HomePublisher
from bot.slack.api.prechecks import Prechecks
from bot.slack.listeners import actions, codes, commands, home, views
from bot.slack.listeners.subcommands import Subcommands
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService


def register(
    app: AsyncApp,
    service: ApprovalService,
    challenges: ChallengeService | None = None,
    *,
    prechecks: Prechecks,
    home_publisher: HomePublisher,
) -> None:
    """Registers every listener. None lets a failure escape, so no `app.error` is needed beside them."""

    @app.middleware
    async def use_own_client(context: AsyncBoltContext, next: Callable[[], Awaitable[None]]) -> None:
        """Bolt makes a client a request, whose failures nobody would count."""
        context["client"] = app.client
        await next()

    subcommands = Subcommands(service, prechecks, home_publisher)
    commands.register(app, subcommands)
    actions.register(app, service, prechecks)
    views.register(app, service)
    home.register(app, subcommands)
    if challenges is not None:
        codes.register(app, service, challenges)
