"""App Home: opened, pressed, and the form for being away."""

from __future__ import annotations

from typing import Any

from slack_bolt.async_app import AsyncApp

from bot.slack.input import away, target
from bot.slack.input.draft import Draft
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Act
from bot.slack.listeners.open import show_details
from bot.slack.listeners.subcommands import Errands
from bot.slack.views import away_form, home
from bot.slack.views.request_form import Origin, ask_form
from orchestration.domain.errors import InvalidRequestError


def register(app: AsyncApp, errands: Errands) -> None:
    """Registers the tab and what is on it."""
    door, homes = errands.door, errands.homes

    @app.event("app_home_opened")
    async def opened(event: dict[str, Any]) -> None:
        if event.get("tab") == "home":
            await homes.opened(event["user"])

    @app.action({"block_id": home.BUTTONS, "action_id": home.ASK})
    @answered
    async def ask(act: Act) -> None:
        await act.ack()
        policies = door.book().policies
        draft = Draft(policy=next(iter(policies)) if len(policies) == 1 else None)
        await act.client.views_open(
            trigger_id=act.body["trigger_id"], view=ask_form(policies, draft, Origin())
        )

    @app.action(home.PAPER)
    @answered
    async def look(act: Act) -> None:
        await act.ack()
        await show_details(act, door, target.of_click(act.body).instance_id, errands.courtesy)

    @app.action({"block_id": home.AWAY_BUTTONS, "action_id": home.AWAY})
    @answered
    async def set_away(act: Act) -> None:
        await act.ack()
        own, today = await homes.entry_of(act.person), homes.today()
        standing = away.standing(own, door.book().people.get(act.person), today)
        form = away_form.away_form(standing, today)
        await act.client.views_open(trigger_id=act.body["trigger_id"], view=form)

    @app.action({"block_id": home.AWAY_BUTTONS, "action_id": home.BACK})
    @answered
    async def back(act: Act) -> None:
        listed = door.book().people.get(act.person)
        await errands.away(act, away.back_again(listed, homes.today()))

    @app.view(away_form.ID)
    @answered
    async def save(act: Act) -> None:
        try:
            entry = away_form.read_away_form(act.view, person=act.person, today=homes.today())
        except InvalidRequestError as error:
            await act.ack(response_action="errors", errors={error.field or away.UNTIL: str(error)})
            return
        await errands.away(act, entry)
