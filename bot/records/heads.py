"""Heads: signed statements of how long a log is, to be kept where nobody who has the log's disk can change them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from bot.security.keys import SigningKeys

TYPE: Final = "countersign-head+jwt"


def sign_head(
    keys: SigningKeys, issuer: str, log: str, sequence: int, hash_: str, at: datetime | None = None
) -> str:
    """Says that at that time (now) the log had so many entries, and which hash the last one had."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "log": log,
        "sequence": sequence,
        "hash": hash_,
        "signed_at": (at or datetime.now(UTC)).isoformat(),
    }
    return keys.sign(TYPE, claims)
