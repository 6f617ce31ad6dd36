"""The table of Web API methods, and what a method is handed."""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.simulator.app_config import AppConfig
from bot.simulator.channels import Channel
from bot.simulator.errors import SlackError, bad_arguments
from bot.simulator.shapes import Shapes
from bot.simulator.triggers import Triggers
from bot.simulator.workspace import Workspace

Json = dict[str, Any]
T = TypeVar("T")


class Args:
    """The arguments of one call, from a form or from JSON: forms carry numbers, flags and structures as text."""

    def __init__(self, given: Json) -> None:
        self.given = {name: value for name, value in given.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str, default: str = "") -> str:
        """Give a text; `default` when it was left out."""
        return str(self.given.get(name, default))

    def required(self, name: str) -> str:
        """Give a text that must be there; raises `invalid_arguments`."""
        if not self.text(name):
            raise bad_arguments(f"missing required field: {name}")
        return self.text(name)

    def flag(self, name: str) -> bool:
        """Give a flag; False when it was left out."""
        return str(self.given.get(name, "")).lower() in {"1", "true"}

    def number(self, name: str, default: int, at_most: int) -> int:
        """Give a number from 1 to `at_most`; `default` when it was left out, `at_most` when it is more."""
        try:
            value = int(self.given.get(name, default))
        except (TypeError, ValueError):
            raise SlackError("invalid_limit") from None
        return min(value, at_most) if value > 0 else default

    def json(self, name: str, error: SlackError) -> Any:
        """Give a structure, given as such or as JSON text; raises `error` when the text is no JSON."""
        value = self.given.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value else None
        except ValueError:
            raise error from None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a method: who is asked, with what, and how the answer is written."""

    workspace: Workspace
    app: AppConfig
    args: Args
    shapes: Shapes
    triggers: Triggers
    origin: str
    """Where this server is reached, without a trailing slash."""
    open_socket: Callable[[], str]
    """Issues a Socket Mode URL."""
    emit: Callable[[Json], None]
    """Sends an event to the app, if it subscribed to it."""

    @property
    def bot(self) -> str:
        """Give the user ID of the app's bot."""
        return self.workspace.people.app().id

    def needs(self, *scopes: str) -> None:
        """Raise `missing_scope` unless one of the scopes was granted; no scopes are needed when none are named."""
        if scopes and not self.app.scopes.intersection(scopes):
            raise SlackError(
                "missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.app.scopes))
            )

    def channel(self, name: str = "channel") -> Channel:
        """Give the channel an argument names by ID; raises `channel_not_found`, also for one the bot cannot see."""
        channel = self.workspace.channels.get(self.args.required(name))
        if channel is None or (channel.is_private and not self.is_member(channel)):
            raise SlackError("channel_not_found")
        return channel

    def is_member(self, channel: Channel) -> bool:
        """Say whether the bot is in the channel."""
        return self.workspace.channels.has_member(channel.id, self.bot)

    def page(self, items: Sequence[T], *, default: int, at_most: int) -> tuple[list[T], str]:
        """Give the page of `items` that `cursor` and `limit` ask for, and the cursor of the next, "" at the end.

        Raises `invalid_cursor` for one that this server did not make.
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
    """One entry of the table. `token` is the kind of token it takes: "bot", "app", or "none"."""

    handler: Callable[[Call], Json]
    scopes: tuple[str, ...]
    token: str


METHODS: dict[str, Method] = {}


def method(
    name: str, *scopes: str, token: str = "bot"
) -> Callable[[Callable[[Call], Json]], Callable[[Call], Json]]:
    """Enter a function in the table. Any one of `scopes` is enough; the function gives the body without `ok`."""

    def enter(handler: Callable[[Call], Json]) -> Callable[[Call], Json]:
        METHODS[name] = Method(handler, scopes, token)
        return handler

    return enter


def paged(following: str) -> Json:
    """Give the part of a response that says where the next page is."""
    return {"response_metadata": {"next_cursor": following}}
