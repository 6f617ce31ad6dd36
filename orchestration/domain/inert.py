"""Replaces Countersign's marks and separators in what people typed, so that it cannot look like Countersign's text.

Each surface escapes its own mark-up besides: Slack in `bot.slack.text`, the terminal in `bot.terminal`, pages by Jinja.
"""

from __future__ import annotations

import re
from typing import Final

from orchestration.domain.text import line, prose

# Our marks and what looks like them, with what stands for them in other people's words.
_LIKE_MARKS: Final = {
    "[v]": "✓✔✅☑🗸🗹√⍻𐄂",
    "[x]": "✗✘❌❎✖✕☒🗙🗴🗵🗶🗷⨯",
    "o": "○◯⭕⚪◌◦⃝❍⚬",
    "->": "→⇒➔➜➝➞➡⟶⟹↦⇨🡒🠖",
}
_MARKS: Final = {mark: stands for stands, marks in _LIKE_MARKS.items() for mark in marks}
_MARK: Final = re.compile(f"([{''.join(_MARKS)}])[\ufe0e\ufe0f]?")
# Between two letters a dot belongs to the word, as in `paral·lel`.
_DOT: Final = re.compile(r"[•∙⋅●⦁▪᛫]|(?:^|(?<=\W))[·‧・･]|[·‧・･](?!\w)")
_DASH: Final = re.compile(r"^[ \t]*[‐‑‒–—―−]", re.MULTILINE)
_QUOTE: Final = re.compile('[“”„‟«»"＂〝〞〟❝❞]')
# A domain in a text message becomes a link in the phone. A space keeps it from that.
_DOMAIN: Final = re.compile(r"(?<=\w)\.(?=[^\W\d_])|://")


def inert(text: str) -> str:
    """The text without marks and separators like ours. Every other character stays."""
    shown = _MARK.sub(lambda found: _MARKS[found[1]], prose(text))
    return _DASH.sub("-", _DOT.sub("-", shown))


def unquoted(text: str) -> str:
    """One line that can stand in quotation marks: it contains none that would close them early."""
    return _QUOTE.sub("'", inert(line(text)))


def in_quotes(text: str) -> str:
    """One line of somebody's words, in quotation marks that they cannot close. "" if there are no words."""
    shown = unquoted(text)
    return f"“{shown}”" if shown else ""


def in_message(text: str) -> str:
    """One line for a text message: no address in it becomes a link on the phone."""
    return _DOMAIN.sub(lambda found: ". " if found[0] == "." else ": ", inert(line(text)))
