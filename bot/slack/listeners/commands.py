"""`/request-approval`: asks at once, opens the form, runs a subcommand, or explains itself."""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp

from bot.slack.input import grammar
from bot.slack.input.draft import askable
from bot.slack.input.grammar import AskAtOnce, Explain, Fill, Subcommand
from bot.slack.listeners.asking import AskStarter
from bot.slack.listeners.failures import answered
from bot.slack.listeners.interaction import Interaction
from bot.slack.listeners.subcommands import Subcommands
from bot.slack.views.request_form import Origin, ask_form
from orchestration.domain.errors import InvalidRequestError


def register(app: AsyncApp, subcommands: Subcommands, asks: AskStarter) -> None:
    """Registers the slash command."""
    service = subcommands.service

    @app.command(grammar.COMMAND)
    @answered
    async def request_approval(interaction: Interaction) -> None:
        policies = askable(service.book())
        wish = grammar.parse(interaction.body.get("text") or "", policies)
        if isinstance(wish, Subcommand):
            try:
                await subcommands.run(interaction, wish)
            except InvalidRequestError as error:
                await interaction.reply(str(error))
            return
        if not policies:
            await interaction.reply(grammar.NOTHING_TO_ASK)
            return
        if isinstance(wish, AskAtOnce):
            try:
                words = await asks.ask(interaction, wish.draft, interaction.id)
            except InvalidRequestError as error:
                wish = Explain(str(error))
            else:
                await interaction.reply(words)
                return
        if isinstance(wish, Fill):
            form = ask_form(policies, wish.draft, Origin(channel=interaction.channel), wish.doubt)
            await interaction.client.views_open(trigger_id=interaction.body["trigger_id"], view=form)
            return
        await interaction.reply(grammar.explanation(wish, policies))
