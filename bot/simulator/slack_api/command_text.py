"""The text of a slash command as Slack sends it to an app that asked for `should_escape`.

Source: https://docs.slack.dev/interactivity/implementing-slash-commands ("Escaping users, channels, and links").
"""

import re

from bot.simulator.workspace.workspace import Workspace

_LINK = re.compile(r"https?://[^\s<>|]+")
_NAME = re.compile(r"(?<![\w<&])([@#])([a-z0-9][a-z0-9._-]*[a-z0-9]|[a-z0-9])", re.IGNORECASE)


def escaped(text: str, workspace: Workspace) -> str:
    """Replace names with references: `@ada` → `<@U0ADA|ada>`, `#general` → `<#C0GENERAL|general>`, links → `<…>`.

    Unknown names stay as they are. Slack's three control characters become entities.
    """
    people = {person.name.lower(): person.id for person in workspace.people.all()}

    def named(found: re.Match[str]) -> str:
        sign, name = found[1], found[2]
        if sign == "@":
            person = people.get(name.lower())
            return f"<@{person}|{name}>" if person else found[0]
        channel = workspace.channels.named(name)
        return f"<#{channel.id}|{name}>" if channel and not channel.is_private else found[0]

    safe = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    parts = _LINK.split(safe)
    links = _LINK.findall(safe)
    marked = [_NAME.sub(named, part) for part in parts]
    return marked[0] + "".join(f"<{link}>{part}" for link, part in zip(links, marked[1:], strict=True))
