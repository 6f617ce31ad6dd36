"""The app's configuration in the demo's workspace. A test compares it with `manifest.yml`."""

from __future__ import annotations

from typing import Final

from bot.simulator import AppConfig, CommandHint
from bot.slack.api.scopes import SCOPES
from bot.slack.input.grammar import COMMAND

EVENTS: Final = frozenset({"app_home_opened"})
HINTS: Final = (CommandHint(COMMAND, "Ask for an approval", "[policy] [amount] [title]"),)

# Offered to a newcomer.
TRIES: Final = (
    f"{COMMAND} purchase 4200 New laptops for the team",
    f"{COMMAND} payment 12400 Steel for hall 3",
    f"{COMMAND} deploy Release 4.2",
)

APP: Final = AppConfig(
    scopes=SCOPES,
    events=EVENTS,
    commands=frozenset({COMMAND}),
    hints=HINTS,
    tries=TRIES,
    should_escape=True,
    takes_messages=False,
)
