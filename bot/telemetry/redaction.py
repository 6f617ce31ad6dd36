"""Removes secrets, phone numbers, addresses and codes from a text, right before it leaves the process.

Our own log calls leave them out already. This catches the unforeseen: the text of a library's error, a value in a
traceback.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

SHORTEST: Final = 8  # characters of the shortest secret that is also searched inside words
HIDDEN: Final = "[hidden]"
NUMBER: Final = "[number]"
ADDRESS: Final = "[address]"
CODE: Final = "[code]"

_NAMES: Final = (
    r"(?:access[_-]?token|api[_-]?key|api[_-]?secret|auth[_-]?token|authorization|client[_-]?secret|passwd|password|"
    r"response_url|secret|sig|signature|token|x-slack-signature|x-twilio-signature)"
)
_RULES: Final = tuple(
    (re.compile(pattern), shown)
    for pattern, shown in (
        # Slack's tokens, and its webhook URLs, with which anybody may post.
        (r"\bx(?:ox[a-z]|app)(?:\.xox[a-z])?-[\w-]+", HIDDEN),
        (r"(https?://hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+", rf"\1{HIDDEN}"),
        # Our own API tokens, secrets of webhooks, keys of Twilio, AWS and Azure, tokens and keys of JOSE.
        (r"\b(?:csn_|whsec_)[\w+/=-]+", HIDDEN),
        (r"\b(?:AC|SK)[0-9a-fA-F]{32}\b", HIDDEN),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", HIDDEN),
        (r"(?i)\b(AccountKey|SharedAccessKey)=[^;\s\"']+", rf"\1={HIDDEN}"),
        (r"\beyJ[\w-]{5,2000}\.[\w-]{1,4000}\.[\w-]*", HIDDEN),
        (r"(\"(?:d|k)\"\s*:\s*\")[\w-]{20,}", rf"\1{HIDDEN}"),
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", HIDDEN),
        # Credentials of an HTTP request. "Basic Information" is a page of a Slack app, so it must stay.
        (r"(?i)\b(Bearer|Basic)\s+(?!Information\b)[\w.~+/=-]{6,}", rf"\1 {HIDDEN}"),
        (r"\bv0=[0-9a-f]{32,}", HIDDEN),
        (r"(://)[^/\s:@\"']*:[^/\s@\"']+@", rf"\1{HIDDEN}@"),
        (r"(?i)([?&](?:code|key|for|challenge|state|" + _NAMES + r")=)[^&\s\"'<>]+", rf"\1{HIDDEN}"),
        # Also where such JSON is a string inside other JSON.
        (r"(?i)([\"']" + _NAMES + r"\\*[\"']\s*[:=,]\s*b?\\*[\"'])(?:[^\"'\\]|\\+[^\"'\\])+", rf"\1{HIDDEN}"),
        (r"(?i)(\b" + _NAMES + r"=b?[\"']?)(?!\[hidden\])[^\s\"'&,;)]{4,}", rf"\1{HIDDEN}"),
        # Phone numbers and addresses of people; numbers also as people write them, and URL-encoded.
        (r"[\w.%+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b", ADDRESS),
        (r"(?i)(?:\+|%2B)[1-9](?:[ ().\u00a0-]{0,2}\d){6,14}(?!\d)", NUMBER),
    )
)


def _forms(secret: str) -> tuple[str, ...]:
    """Returns the secret's spellings: as it is, and as URLs, Python and JSON encode it."""
    return secret, quote(secret, safe=""), repr(secret)[1:-1], json.dumps(secret)[1:-1]


class Redactor:
    """Removes them from texts. `secrets` are those of this process; `digits` is the length of its codes."""

    def __init__(self, secrets: Iterable[str] = (), digits: int = 6) -> None:
        # The longest first: one may be the beginning of another.
        known = sorted(
            {form for one in secrets if len(one) >= SHORTEST for form in _forms(one)}, key=len, reverse=True
        )
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        number = rf"\d{{{digits}}}(?!\d)(?![.:]\d)"
        self._code = re.compile(
            rf"(?i)(\b(?:code|answer|reply|replied|body|text|digits|heard|typed|pin|otp)\b[^\n\d]{{0,24}}){number}"
            rf"|(?<=[\"']){number}(?=[\"'])"
        )

    def __call__(self, text: str) -> str:
        """Returns the redacted text."""
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, shown in _RULES:
            text = pattern.sub(shown, text)
        return self._code.sub(lambda found: f"{found[1] or ''}{CODE}", text)
