"""The table of Web API methods, and the call that a method receives."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from bot.simulator.errors import SlackError, bad_arguments
from bot.simulator.slack_api.app_config import AppConfig
from bot.simulator.slack_api.dispatcher import PayloadDispatcher
from bot.simulator.slack_api.installation import Installation
from bot.simulator.slack_api.shapes import Shapes
from bot.simulator.workspace.channels import Channel
from bot.simulator.workspace.triggers import Triggers
from bot.simulator.workspace.workspace import Workspace

Json = dict[str, Any]
TokenKind = Literal["bot", "app", "none"]
T = TypeVar("T")


class Args:
    """The arguments of one call. In a form, numbers, flags and structures are text."""

    def __init__(self, given: Json) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str, default: str = "") -> str:
        """Return a text; `default` when it was left out."""
        return str(self.given.get(name, default))

    def required(self, name: str) -> str:
        """Return a text that must be there; raises `invalid_arguments`."""
        if not self.text(name):
            raise bad_arguments(f"missing required field: {name}")
        return self.text(name)

    def flag(self, name: str) -> bool:
        """Return a flag; False when it was left out."""
        return str(self.given.get(name, "")).lower() in {"1", "true"}

    def number(self, name: str, default: int, at_most: int) -> int:
        """Return a number from 1 to `at_most`; `default` when it was left out, `at_most` when it is greater."""
        try:
            value = int(self.given.get(name, default))
        except (TypeError, ValueError):
            raise SlackError("invalid_limit") from None
        return min(value, at_most) if value > 0 else default

    def json(self, name: str, error: SlackError) -> Any:
        """Return a structure, which came as such or as JSON text; raises `error` when the text is no JSON."""
        value = self.given.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise error from None


@dataclass(frozen=True, slots=True)
class MethodCall:
    """One call of a method."""

    installation: Installation
    dispatcher: PayloadDispatcher
    args: Args
    origin: str
    """Where this server is reached, without a trailing slash."""

    @property
    def workspace(self) -> Workspace:
        """Return the workspace."""
        return self.installation.workspace

    @property
    def app(self) -> AppConfig:
        """Return the app's configuration."""
        return self.installation.app

    @property
    def shapes(self) -> Shapes:
        """Return the object that writes Slack's JSON shapes."""
        return self.installation.shapes

    @property
    def triggers(self) -> Triggers:
        """Return the trigger IDs."""
        return self.installation.triggers

    @property
    def bot(self) -> str:
        """Return the user ID of the app's bot."""
        return self.installation.bot

    def emit(self, event: Json) -> None:
        """Send an event to the app once this call is on disk, if the app subscribed to it."""
        self.workspace.store.after_commit(lambda: self.dispatcher.emit(event))

    def needs(self, *scopes: str) -> None:
        """Raise `missing_scope` when none of the named scopes was granted. Naming none never raises."""
        if scopes and not self.app.scopes.intersection(scopes):
            raise SlackError(
                "missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.app.scopes))
            )

    def channel(self, name: str = "channel") -> Channel:
        """Return the channel that an argument names by ID.

        Raises `channel_not_found`, also for a channel that the bot cannot see.
        """
        channel = self.workspace.channels.get(self.args.required(name))
        if channel is None or (channel.is_private and not self.is_member(channel)):
            raise SlackError("channel_not_found")
        return channel

    def is_member(self, channel: Channel) -> bool:
        """Say whether the bot is in the channel."""
        return self.workspace.channels.has_member(channel.id, self.bot)

    def page(self, items: Sequence[T], *, default: int, at_most: int) -> tuple[list[T], str]:
        """Return the page of `items` that the arguments ask for, and the cursor of the next page, "" at the end.

        Raises `invalid_cursor` for a cursor that this server did not make.
        """
        start = 0
        if cursor := self.args.text("cursor"):
            try:
                start = int(base64.b64decode(cursor, validate=True).decode().removeprefix("next:"))
            except ValueError:
                raise SlackError("invalid_cursor") from None
        end = start + self.args.number("limit", default, at_most)
        following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
        return list(items[start:end]), following


@dataclass(frozen=True, slots=True)
class Method:
    """One entry of the table."""

    handler: Callable[[MethodCall], Json]
    scopes: tuple[str, ...]
    takes: TokenKind


METHODS: dict[str, Method] = {}


def method(
    name: str, *scopes: str, takes: TokenKind = "bot"
) -> Callable[[Callable[[MethodCall], Json]], Callable[[MethodCall], Json]]:
    """Register a function as a method. It returns the body of the response, without `ok`.

    Any one of `scopes` is enough to call it. `takes` is the kind of token it needs: "bot", "app" or "none".
    """

    def enter(handler: Callable[[MethodCall], Json]) -> Callable[[MethodCall], Json]:
        METHODS[name] = Method(handler, scopes, takes)
        return handler

    return enter


def paged(following: str) -> Json:
    """Return the part of a response that has the cursor of the next page."""
    return {"response_metadata": {"next_cursor": following}}
