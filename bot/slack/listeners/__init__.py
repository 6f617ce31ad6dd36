"""What people do in Slack, as commands at the door.

The order is always: commit to the hub, then ack, so that a press that Slack took is on disk. Only a form that is to
be opened is acked first. Whatever goes wrong, the person is told where they acted.
"""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack.api.home_publisher import Homes
from bot.slack.api.prechecks import Courtesy
from bot.slack.listeners import actions, codes, commands, home, views
from bot.slack.listeners.subcommands import Errands
from orchestration.service.approvals import Door
from orchestration.service.challenges import ChallengeDoor


def register(
    app: AsyncApp,
    door: Door,
    challenges: ChallengeDoor | None = None,
    *,
    courtesy: Courtesy,
    homes: Homes,
) -> None:
    """Registers every listener. None lets a failure escape, so no `app.error` is needed beside them."""
    errands = Errands(door, courtesy, homes)
    commands.register(app, errands)
    actions.register(app, door, courtesy)
    views.register(app, door)
    home.register(app, errands)
    if challenges is not None:
        codes.register(app, door, challenges)
