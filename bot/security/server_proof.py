"""Proves that an address leads to this server: only its secret can make the answer to a challenge."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Final

from bot.security.secrets import Secrets

PURPOSE: Final = "which server answers"
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{16,64}")


def challenge() -> str:
    """Returns a new random challenge, whose answer nobody can know yet."""
    return secrets.token_urlsafe(24)


def proof(known: Secrets, asked: str) -> str | None:
    """Returns the answer in hex; None for an invalid challenge. The key has no other use, so anybody may ask."""
    return known.derive(PURPOSE, asked).hex() if _CHALLENGE.fullmatch(asked) else None


def proves(known: Secrets, asked: str, answer: str) -> bool:
    """Whether the answer is from a server with one of these secrets."""
    return any(
        hmac.compare_digest(one.hex().encode(), answer.encode()) for one in known.derive_each(PURPOSE, asked)
    )
