"""What can be pressed: the buttons and the menu of a card, the buttons of messages, the chooser in the form."""

from __future__ import annotations

from typing import Final

from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from bot.slack.api.errors import code_of
from bot.slack.api.prechecks import Courtesy
from bot.slack.input import target
from bot.slack.input.target import UnreadableCardError
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Act
from bot.slack.listeners.open import FORMS, answer_form, open_form, reject_form, say, show_details
from bot.slack.listeners.verdicts import answer_press, words_on
from bot.slack.messages import cards, notices
from bot.slack.views import details
from bot.slack.views.request_form import CHOOSE_POLICY, Origin, ask_form, read_ask_form
from orchestration.domain.request import Choice
from orchestration.service.approvals import Door

TRYING_AGAIN: Final = "It is being tried again; the card will say how it went."


def register(app: AsyncApp, door: Door, courtesy: Courtesy) -> None:
    """Registers what can be pressed. A card's two buttons are in Details too, and do the same there."""
    _card(app, door, courtesy)
    _messages(app, door, courtesy)
    _chooser(app, door)
    _links(app)


def _card(app: AsyncApp, door: Door, courtesy: Courtesy) -> None:
    @app.action({"block_id": cards.ACTIONS, "action_id": cards.APPROVE})
    @answered
    async def approve(act: Act) -> None:
        card = target.of_click(act.body)
        ticket = await door.decide(
            card.instance_id, act.actor, Choice.APPROVE, round=card.round, command_id=act.id
        )
        await say(act, door, courtesy, await words_on(act, door, ticket))

    @app.action({"block_id": cards.ACTIONS, "action_id": cards.REJECT})
    @answered
    async def reject(act: Act) -> None:
        await act.ack()
        await open_form(act, door, courtesy, reject_form)

    @app.action({"block_id": cards.ACTIONS, "action_id": cards.MORE})
    @answered
    async def more(act: Act) -> None:
        await act.ack()
        choice = target.chosen(act.body)
        if choice == cards.DETAILS:
            await show_details(act, door, target.of_click(act.body).instance_id, courtesy)
        elif choice in FORMS:
            await open_form(act, door, courtesy, FORMS[choice])
        else:
            raise UnreadableCardError


def _messages(app: AsyncApp, door: Door, courtesy: Courtesy) -> None:
    @app.action({"block_id": notices.NOTICE, "action_id": notices.ANSWER})
    @answered
    async def answer(act: Act) -> None:
        await act.ack()
        await open_form(act, door, courtesy, answer_form, of_this_round=False)

    @app.action({"block_id": notices.NOTICE, "action_id": notices.RETRY})
    @answered
    async def retry(act: Act) -> None:
        card = target.of_click(act.body)
        ticket = await door.retry(card.instance_id, act.actor, command_id=act.id)
        await answer_press(act, door, ticket, TRYING_AGAIN)


def _links(app: AsyncApp) -> None:
    @app.action({"block_id": details.LINKS})
    @answered
    async def follow(act: Act) -> None:
        """The browser follows the link; Slack only wants to hear that its report came."""
        await act.ack()


def _chooser(app: AsyncApp, door: Door) -> None:
    @app.action(CHOOSE_POLICY)
    @answered
    async def choose_policy(act: Act) -> None:
        await act.ack()
        origin = Origin.model_validate_json(act.view["private_metadata"])
        form = ask_form(door.book().policies, read_ask_form(act.view), origin)
        try:
            await act.client.views_update(view_id=act.view["id"], hash=act.view["hash"], view=form)
        except SlackApiError as error:
            # A newer choice has redrawn the form already, or it was closed: either way nobody waits for this one.
            if code_of(error) not in {"hash_conflict", "not_found"}:
                raise
