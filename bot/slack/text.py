"""Text for Slack. What people typed goes through `safe` or `quoted`: it can mention nobody and forge no line.

Slack counts its limits after escaping, where one `&` is five characters, so each cut minds both lengths: the
`limit` that a person sees, and the `room` on the wire.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from bot.slack.ids import is_channel, is_group, is_person

ELLIPSIS: Final = "…"

# Direction overrides can make an amount read backwards; they are not text.
_DIRECTION: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_TOKEN: Final = re.compile(r"https?://[^\s<>|]*[^\s<>|.,;:!?)\]}'\"*_~`]|.", re.DOTALL)
# What Slack marks in a command: people, channels, groups and links. Anything else in angle brackets was typed so.
_MARKED: Final = re.compile(
    r"<(?P<sign>[@#!](?=[A-Zs])|(?=https?://|mailto:))(?P<target>[^<>|\s]+)(?:\|(?P<label>[^<>]*))?>"
)
# Slack capitalises the first letter of a date's format ("until Tomorrow"); this, which nobody sees, is first instead.
_LOWER: Final = "\u200b"


def escape(text: str) -> str:
    """Slack's three control characters as entities; nothing else may be."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The inverse of `escape`, for what Slack hands over escaped."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def typed(text: str) -> str:
    """What was typed into a command that Slack hands over with its references marked: `<@U1|ada>` was `@ada`."""
    return unescape(_MARKED.sub(_as_typed, text))


def _as_typed(found: re.Match[str]) -> str:
    sign, target, label = found["sign"], found["target"], found["label"]
    if sign in {"@", "#", "!"}:
        return f"{'#' if sign == '#' else '@'}{label or target}".replace("@@", "@")
    return target


def plain(text: str, limit: int) -> str:
    """One line for a `plain_text` object, which parses nothing: at most `limit` characters."""
    line = _one_line(text)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS


def safe(text: str, limit: int, *, room: int = 2000) -> str:
    """One line of user text as mrkdwn. Links stay links, backticks become quotes: they could swallow what follows."""
    return _cut(_one_line(text).replace("`", "'"), limit, room)


def linked(text: str, limit: int) -> str:
    """One line of user text as the words of a link, in which no other link can stand and nothing can end it early."""
    return escape(plain(text, limit).replace("|", "¦").replace("`", "'")) or "…"


def quoted(text: str, limit: int, *, lines: int = 12, room: int = 2500) -> str:
    """User text as a quote, each line marked, so that it cannot pass for ours; "" when nothing is left to say."""
    kept = [line.rstrip() for line in clean(text).strip().split("\n")]
    shown = "\n".join(kept[:lines])
    if len(kept) > lines:
        shown = shown[: limit - 1] + ELLIPSIS
    marked = room - 2 * lines  # what "> " before every line takes
    return "\n".join(f"> {line}" for line in _cut(shown, limit, marked).split("\n")) if shown.strip() else ""


def bold(text: str) -> str:
    """The mrkdwn in bold; as it is where its own formatting would make that come out wrong."""
    return text if not text or re.search(r"[*_~<]", text) else f"*{text}*"


def mention(principal: str) -> str:
    """A person, a user group or a channel by ID, in each reader's own rendering. Anything else is only text."""
    if is_person(principal):
        return f"<@{principal}>"
    if is_group(principal):
        return f"<!subteam^{principal}>"
    return f"<#{principal}>" if is_channel(principal) else safe(principal, 40)


def when(moment: datetime) -> str:
    """A time in each reader's own zone; in UTC where a client cannot. It reads on in a sentence."""
    fallback = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{_LOWER}{{date_short_pretty}} {{time}}|{fallback}>"


def system(label: str) -> str:
    """The name of the place where an outcome's action went. Of an address only the host: its path may be a secret."""
    if "://" in label:
        return safe(urlsplit(label).hostname or "the system", 80)
    return mention(label)


def within(pieces: Iterable[str], separator: str, room: int) -> str:
    """The pieces joined, as many as fit into `room` characters; whole ones only, and "…" for the rest."""
    shown, left = [], room
    for piece in pieces:
        left -= len(piece) + len(separator)
        if left < len(ELLIPSIS):
            shown.append(ELLIPSIS)
            break
        shown.append(piece)
    return separator.join(shown)


def clean(text: str) -> str:
    """Without control characters and direction overrides; every kind of line end is one newline."""
    lines = "\n".join(_DIRECTION.sub("", text).splitlines())
    return "".join(c for c in lines if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})


def _one_line(text: str) -> str:
    return " ".join(clean(text).split())


def _cut(text: str, limit: int, room: int) -> str:
    """Escaped, at most `limit` characters seen and `room` on the wire. A link is whole or not there."""
    out: list[str] = []
    seen = used = 0
    for token in _TOKEN.findall(text):
        piece = f"<{escape(token)}>" if len(token) > 1 else escape(token)
        seen += len(token)
        used += len(piece)
        if seen > limit or used > room - len(ELLIPSIS):
            return "".join(out).rstrip() + ELLIPSIS
        out.append(piece)
    return "".join(out)
