"""Handles App Home: its opening, its buttons, and the form for being away."""

from __future__ import annotations

import asyncio
from typing import Any

from slack_bolt.async_app import AsyncApp

from bot.slack.input import away, target
from bot.slack.input.draft import Draft, askable
from bot.slack.input.grammar import NOTHING_TO_ASK
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.open import show_details
from bot.slack.listeners.subcommands import Subcommands
from bot.slack.views import away_form, home
from bot.slack.views.request_form import Origin, ask_form
from orchestration.domain.errors import InvalidRequestError


def register(app: AsyncApp, subcommands: Subcommands) -> None:
    """Registers the listeners of the tab, its buttons and its form."""
    service, home_publisher = subcommands.service, subcommands.home_publisher

    drawing: set[asyncio.Task[None]] = set()  # the event loop alone has only weak references

    @app.event("app_home_opened")
    async def opened(event: dict[str, Any]) -> None:
        """Starts to draw the tab, and returns at once so that the event is acknowledged."""
        if event.get("tab") == "home":
            task = asyncio.create_task(home_publisher.opened(event["user"]))
            drawing.add(task)
            task.add_done_callback(drawing.discard)

    @app.action({"block_id": home.BUTTONS, "action_id": home.ASK})
    @answered
    async def ask(interaction: Interaction) -> None:
        policies = askable(service.book())
        if not policies:
            await interaction.reply(NOTHING_TO_ASK)
            return
        draft = Draft(policy=next(iter(policies)) if len(policies) == 1 else None)
        await interaction.client.views_open(
            trigger_id=interaction.body["trigger_id"], view=ask_form(policies, draft, Origin())
        )

    @app.action(home.ITEM)
    @answered
    async def look(interaction: Interaction) -> None:
        await show_details(
            interaction, service, target.of_click(interaction.body).instance_id, subcommands.prechecks
        )

    @app.action({"block_id": home.AWAY_BUTTONS, "action_id": home.AWAY})
    @answered
    async def set_away(interaction: Interaction) -> None:
        own, today = await home_publisher.entry_of(interaction.person), home_publisher.today()
        standing = away.standing(own, service.book().people.get(interaction.person), today)
        form = away_form.away_form(standing, today)
        await interaction.client.views_open(trigger_id=interaction.body["trigger_id"], view=form)

    @app.action({"block_id": home.AWAY_BUTTONS, "action_id": home.BACK})
    @answered
    async def back(interaction: Interaction) -> None:
        listed = service.book().people.get(interaction.person)
        await subcommands.away(interaction, away.back_again(listed, home_publisher.today()))

    @app.view(away_form.ID)
    @answered
    async def save(interaction: Interaction) -> None:
        try:
            entry = away_form.read_away_form(
                interaction.view, person=interaction.person, today=home_publisher.today()
            )
        except InvalidRequestError as error:
            await interaction.ack(response_action="errors", errors={error.field or away.UNTIL: str(error)})
            return
        await subcommands.away(interaction, entry)
