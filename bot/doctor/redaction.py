"""Takes secrets and phone numbers out of what is told, however they came into it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from bot.config import SECRETS
from bot.doctor.finding import DoctorFinding

HIDDEN: Final = "[hidden]"
SHORTEST: Final = 6  # characters; what is shorter is no secret, and would be found in any word
# Tokens that stand where none belongs, the user's part of an address, and phone numbers. Those of 555-0100 to 0199
# belong to nobody: they are the examples in our own sentences.
_FORMS: Final = (
    re.compile(r"\b(?:xox[a-z]|xapp|csn)[-_][A-Za-z0-9_-]+"),
    re.compile(r"(?<=://)[^/\s@]+(?=@)"),
    re.compile(r"(?!\+1[0-9]{3}55501[0-9]{2}(?![0-9]))\+[0-9][0-9 ()./-]{6,}[0-9]"),
)


def redacted(finding: DoctorFinding, given: Mapping[str, str]) -> DoctorFinding:
    """The finding without the values of `given`'s secrets, and without what looks like one."""
    text = finding.text
    parts = {part for name in (*SECRETS, "TWILIO_FROM") for part in given.get(name, "").split()}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= SHORTEST:
            text = text.replace(part, HIDDEN)
    for form in _FORMS:
        text = form.sub(HIDDEN, text)
    return replace(finding, text=text)
