"""Shows that an address leads to this very server: a challenge is answered with what only its secret can make."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final

from bot.security.secrets import Secrets

PURPOSE: Final = "which server answers"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


def challenge() -> str:
    """A new one, which nobody can have the answer to."""
    return secrets.token_urlsafe(24)


def proof(known: Secrets, asked: str) -> str | None:
    """The answer, in hex; None for what is no challenge. The key is for this alone, so anybody may ask."""
    return known.derive(PURPOSE, asked).hex() if _CHALLENGE.fullmatch(asked) else None


def proves(known: Secrets, asked: str, answer: str) -> bool:
    """Whether the answer is from a server with one of these secrets."""
    return any(
        hmac.compare_digest(one.hex().encode(), answer.encode()) for one in known.derive_each(PURPOSE, asked)
    )
