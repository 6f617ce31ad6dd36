"""Makes text for Slack. User text is shown in one of these ways, so that it cannot look like text of ours.

- `said`: one line of it in a sentence of ours, in quotation marks that it cannot close
- `quoted`: its lines as a quote, with a bar
- `safe`: a short name or value after a label of ours
- `plain`: a title or a label in a `plain_text` object, in which Slack parses nothing

User text mentions nobody and is not formatted. Our marks and separators are replaced in it.

Slack's limits count escaped characters, and an escaped `&` has five. So each cut obeys two lengths: the `limit` of
characters that a person sees, and the `room`, which is the number of characters sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from bot.slack.ids import is_channel, is_group, is_person
from orchestration.domain.inert import in_quotes, inert, unquoted
from orchestration.domain.text import line

ELLIPSIS: Final = "…"

# Characters by which Slack formats text, and similar ones that replace them: Slack has no way to escape them.
_FORMATS: Final = str.maketrans({"*": "∗", "_": "ˍ", "~": "∼"})
_FORMAT: Final = re.compile(r"\*|(?<![0-9A-Za-z])[_~]|[_~](?![0-9A-Za-z])")
_SHORTCODE: Final = re.compile(r":(?=[^\s:]+:)")
# What Slack could take for the mention of a person or a channel.
_NAMED: Final = re.compile(r"(?<![0-9A-Za-z])([@＠])|(?<![0-9A-Za-z&])#(?=[^\W\d])")
_ADDRESS: Final = re.compile(r"https?://[^\s<>|]*[^\s<>|.,;:!?)\]}'\"”*_~`]")
# What Slack marks in a command: people, channels, groups and links. A person typed any other angle brackets.
_MARKED: Final = re.compile(
    r"<(?P<sign>[@#!](?=[A-Zs])|(?=https?://|mailto:))(?P<target>[^<>|\s]+)(?:\|(?P<label>[^<>]*))?>"
)
_PERSON: Final = re.compile(r"<@([UW][A-Z0-9]{1,30})(?:\|[^>]*)?>")
# Slack capitalises the first letter of a date's format ("until Tomorrow"). This invisible character stands before it.
_LOWER: Final = "\u200b"


def escape(text: str) -> str:
    """Escapes Slack's three control characters as entities, and nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The inverse of `escape`, for text that Slack sends escaped."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def typed(text: str) -> str:
    """The text of a command as it was typed: Slack sends `@ada` as `<@U1|ada>`."""
    return unescape(_MARKED.sub(_as_typed, text))


def mentioned(word: str) -> str | None:
    """The ID of the person whom a word of a command mentions; None if it mentions nobody."""
    found = _PERSON.fullmatch(word)
    return found[1] if found else None


def _as_typed(found: re.Match[str]) -> str:
    sign, target, label = found["sign"], found["target"], found["label"]
    if sign in {"@", "#", "!"}:
        return f"{'#' if sign == '#' else '@'}{label or target}".replace("@@", "@")
    return target


def plain(text: str, limit: int) -> str:
    """One line for a `plain_text` object, which parses nothing: at most `limit` characters."""
    shown = inert(line(text))
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + ELLIPSIS


def safe(text: str, limit: int, *, room: int = 2000) -> str:
    """One line of user text as mrkdwn, for a value after a label of ours. Addresses become links to just themselves."""
    return _cut(inert(line(text)), limit, room)


def said(text: str, limit: int, *, room: int = 2000) -> str:
    """One line of user text in quotation marks, for a sentence or a line of ours; "" if nothing is left of it."""
    shown = _cut(unquoted(text), limit, room - 2)
    return f"“{shown}”" if shown else ""


def linked(text: str, limit: int) -> str:
    """User text in quotation marks as the label of a link. The text cannot contain another link, nor end this one."""
    return escape(_unformatted(plain(in_quotes(text), limit)).replace("|", "¦")) or "…"


def quoted(text: str, limit: int, *, lines: int = 12, room: int = 2500) -> str:
    """User text as a quote, each line marked, so that it cannot look like ours; "" if nothing is left of it."""
    kept = [each.rstrip() for each in inert(text).split("\n")]
    shown = "\n".join(kept[:lines])
    if len(kept) > lines:
        shown = shown[: limit - 1] + ELLIPSIS
    marked = room - 2 * lines  # the length of "> " before every line
    return "\n".join(f"> {each}" for each in _cut(shown, limit, marked).split("\n")) if shown.strip() else ""


def quoted_whole(text: str, room: int) -> Iterator[str]:
    """All of a user text, as quotes of at most `room` escaped characters each."""
    pieces: list[str] = []
    left = room
    for each in inert(text).split("\n"):
        pieces.append("> ")
        left -= 3
        for token in _tokens(each):
            piece = _wire(token)
            if len(piece) > room - 4:  # an address that is too long for one quote is no link
                piece = ELLIPSIS
            if left < len(piece):
                yield "".join(pieces)
                pieces, left = ["> "], room - 2
            pieces.append(piece)
            left -= len(piece)
        if left < 4:
            yield "".join(pieces)
            pieces, left = [], room
        else:
            pieces.append("\n")
    if shown := "".join(pieces).rstrip("\n"):
        yield shown


def code_beginning(text: str, limit: int, lines: int) -> str:
    """The beginning of a text for a code block: at most `limit` characters and so many lines, then "…"."""
    kept = text.split("\n")
    shown = "\n".join(kept[:lines])[:limit]
    return shown if shown == text else f"{shown}\n{ELLIPSIS}"


def code_pieces(text: str, limit: int) -> Iterator[str]:
    """All of a text, in pieces for code blocks. It is cut at line breaks if possible; such a break is left out."""
    while text:
        cut = len(text) if len(text) <= limit else text.rfind("\n", 1, limit)
        cut = cut if cut > 0 else limit
        yield text[:cut]
        text = text[cut:].removeprefix("\n")


def bold(text: str) -> str:
    """The mrkdwn in bold, or unchanged if its own formatting would conflict with that."""
    return text if not text or _FORMAT.search(text) or "<" in text else f"*{text}*"


def mention(principal: str) -> str:
    """A person, a user group or a channel by ID, in each reader's own rendering. Anything else is only text."""
    if is_person(principal):
        return f"<@{principal}>"
    if is_group(principal):
        return f"<!subteam^{principal}>"
    return f"<#{principal}>" if is_channel(principal) else safe(principal, 40)


def when(moment: datetime) -> str:
    """A time in each reader's own zone, or in UTC in a client that cannot do that. It fits within a sentence."""
    fallback = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(moment.timestamp())}^{_LOWER}{{date_short_pretty}} {{time}}|{fallback}>"


def system(label: str) -> str:
    """The name of the place where an outcome's action went. Of an address only the host: its path may be a secret."""
    if "://" in label:
        return safe(urlsplit(label).hostname or "the system", 80)
    return mention(label)


def within(pieces: Iterable[str], separator: str, room: int) -> str:
    """Joins as many whole pieces as fit into `room` characters, with "…" for the rest."""
    shown, left = [], room
    for piece in pieces:
        left -= len(piece) + len(separator)
        if left < len(ELLIPSIS):
            shown.append(ELLIPSIS)
            break
        shown.append(piece)
    return separator.join(shown)


def _unformatted(text: str) -> str:
    """Replaces what Slack would format, draw as an emoji or take for a mention."""
    shown = _SHORTCODE.sub("∶", text.replace("`", "'"))
    shown = _NAMED.sub(lambda found: "＠" if found[1] else "＃", shown)
    return _FORMAT.sub(lambda found: found[0].translate(_FORMATS), shown)


def _wire(token: str) -> str:
    return f"<{escape(token)}>" if len(token) > 1 else escape(token)


def _tokens(text: str) -> Iterator[str]:
    """Splits the text into whole addresses and single characters, without formatting."""
    at = 0
    for found in _ADDRESS.finditer(text):
        yield from _unformatted(text[at : found.start()])
        yield found[0]
        at = found.end()
    yield from _unformatted(text[at:])


def _cut(text: str, limit: int, room: int) -> str:
    """Escapes and cuts: at most `limit` visible and `room` escaped characters. A link is whole or left out."""
    out: list[str] = []
    seen = used = 0
    for token in _tokens(text):
        piece = _wire(token)
        seen += len(token)
        used += len(piece)
        if seen > limit or used > room - len(ELLIPSIS):
            return "".join(out).rstrip() + ELLIPSIS
        out.append(piece)
    return "".join(out)
