"""Checks on the surfaces of Slack that typed text cannot pass for Countersign's own words."""

from __future__ import annotations

import re
from typing import Final

from bot.slack.text import linked, plain, quoted, quoted_whole, safe, said

OURS: Final = re.compile("[✓✔✅☑✗✘❌○→•`]| · ")
_MARKED: Final = re.compile(
    r"(?<![0-9A-Za-z])[*_~]|[*_~](?![0-9A-Za-z])|:[a-z0-9_+-]+:|(?<![0-9A-Za-z])@|[*]"
)


def without_addresses(text: str) -> str:
    """The words without the links made from addresses. Fails where a link is cut or has another label."""
    assert all(
        "|" not in link and link.startswith(("http://", "https://")) for link in re.findall("<([^>]*)>", text)
    )
    return re.sub("<[^>]*>", "", text)


def never_seems_ours(text: str) -> None:
    """Fails where some surface shows `text` as Countersign's own."""
    quote = quoted(text, 500)
    assert all(each.startswith("> ") for each in quote.split("\n") if quote)
    for piece in quoted_whole(text, 200):
        assert len(piece) <= 200
        assert all(each.startswith("> ") for each in piece.split("\n"))
    inline = said(text, 500)
    assert not inline or (inline[0], inline[-1]) == ("“", "”")
    assert not re.search('[“”"]', without_addresses(inline[1:-1]))
    for shown in (quote, safe(text, 500), inline, *quoted_whole(text, 200)):
        words = without_addresses(shown.replace("\n> ", "\n").removeprefix("> "))
        assert not OURS.search(words)
        assert not _MARKED.search(words)
        assert not re.search("[<>]", words)
    assert not re.search(r"[<>|*`]|:[a-z_]+:", linked(text, 100))
    assert not OURS.search(plain(text, 150).replace("`", "'"))
    assert "\n" not in safe(text, 500) + inline + plain(text, 150)
