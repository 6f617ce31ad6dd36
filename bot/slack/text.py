"""Text for Slack. What people typed goes through here, in one of these ways, and cannot pass for what we say.

- `said`: a line of theirs in a sentence of ours, in quotation marks that it cannot end
- `quoted`: their lines set off with a bar
- `safe`: a short name or value after a label of ours
- `plain`: a title or a label of a `plain_text` object, which parses nothing

None of it mentions anybody or is formatted, and our marks and separators become others in it.

Slack counts its limits after escaping, where one `&` is five characters, so each cut minds both lengths: the `limit`
that a person sees, and the `room` on the wire.
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

# What Slack formats where it stands at the edge of a word, with what looks like it. Slack has no way to escape it.
_FORMATS: Final = str.maketrans({"*": "∗", "_": "ˍ", "~": "∼"})
_FORMAT: Final = re.compile(r"\*|(?<![0-9A-Za-z])[_~]|[_~](?![0-9A-Za-z])")
_SHORTCODE: Final = re.compile(r":(?=[^\s:]+:)")
# What Slack could read a mention of somebody, or of a channel, into.
_NAMED: Final = re.compile(r"(?<![0-9A-Za-z])([@＠])|(?<![0-9A-Za-z&])#(?=[^\W\d])")
_ADDRESS: Final = re.compile(r"https?://[^\s<>|]*[^\s<>|.,;:!?)\]}'\"”*_~`]")
# What Slack marks in a command: people, channels, groups and links. Anything else in angle brackets was typed so.
_MARKED: Final = re.compile(
    r"<(?P<sign>[@#!](?=[A-Zs])|(?=https?://|mailto:))(?P<target>[^<>|\s]+)(?:\|(?P<label>[^<>]*))?>"
)
_PERSON: Final = re.compile(r"<@([UW][A-Z0-9]{1,30})(?:\|[^>]*)?>")
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


def mentioned(word: str) -> str | None:
    """The ID of the person whom this word of a command mentions, as Slack marks it; None where it mentions nobody."""
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
    """One line of user text in quotation marks, for a sentence or a line of ours; "" when nothing is left to say."""
    shown = _cut(unquoted(text), limit, room - 2)
    return f"“{shown}”" if shown else ""


def linked(text: str, limit: int) -> str:
    """User text in quotation marks as the words of a link. No other link stands in it, and nothing ends it early."""
    return escape(_unformatted(plain(in_quotes(text), limit)).replace("|", "¦")) or "…"


def quoted(text: str, limit: int, *, lines: int = 12, room: int = 2500) -> str:
    """User text as a quote, each line marked, so that it cannot pass for ours; "" when nothing is left to say."""
    kept = [each.rstrip() for each in inert(text).split("\n")]
    shown = "\n".join(kept[:lines])
    if len(kept) > lines:
        shown = shown[: limit - 1] + ELLIPSIS
    marked = room - 2 * lines  # what "> " before every line takes
    return "\n".join(f"> {each}" for each in _cut(shown, limit, marked).split("\n")) if shown.strip() else ""


def quoted_whole(text: str, room: int) -> Iterator[str]:
    """All of a user text as quotes of at most `room` characters on the wire, in as many as it takes."""
    pieces: list[str] = []
    left = room
    for each in inert(text).split("\n"):
        pieces.append("> ")
        left -= 3
        for token in _tokens(each):
            piece = _wire(token)
            if len(piece) > room - 4:  # an address that fits nowhere is not a link
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
    """As much of a text for a code block as `limit` characters and so many lines hold, and "…" for the rest."""
    kept = text.split("\n")
    shown = "\n".join(kept[:lines])[:limit]
    return shown if shown == text else f"{shown}\n{ELLIPSIS}"


def code_pieces(text: str, limit: int) -> Iterator[str]:
    """All of a text, for as many code blocks as it takes. None begins or ends with a line break that is not there."""
    while text:
        cut = len(text) if len(text) <= limit else text.rfind("\n", 1, limit)
        cut = cut if cut > 0 else limit
        yield text[:cut]
        text = text[cut:].removeprefix("\n")


def bold(text: str) -> str:
    """The mrkdwn in bold; as it is where its own formatting would make that come out wrong."""
    return text if not text or _FORMAT.search(text) or "<" in text else f"*{text}*"


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


def _unformatted(text: str) -> str:
    """Without what Slack formats, draws as an emoji or takes for a mention."""
    shown = _SHORTCODE.sub("∶", text.replace("`", "'"))
    shown = _NAMED.sub(lambda found: "＠" if found[1] else "＃", shown)
    return _FORMAT.sub(lambda found: found[0].translate(_FORMATS), shown)


def _wire(token: str) -> str:
    return f"<{escape(token)}>" if len(token) > 1 else escape(token)


def _tokens(text: str) -> Iterator[str]:
    """Addresses whole, and every other character by itself, unformatted."""
    at = 0
    for found in _ADDRESS.finditer(text):
        yield from _unformatted(text[at : found.start()])
        yield found[0]
        at = found.end()
    yield from _unformatted(text[at:])


def _cut(text: str, limit: int, room: int) -> str:
    """Escaped, at most `limit` characters seen and `room` on the wire. A link is whole or not there."""
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
