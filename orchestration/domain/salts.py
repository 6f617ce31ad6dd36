"""Salted digests of what people wrote. A receipt has only the digest, so the text can be erased later.

Whoever has a digest and guesses the text cannot check the guess without the salt. The salt stands beside the text, so
it is erased with it.
"""

from __future__ import annotations

import base64
import hmac


def text_salt(start: str, *what: object) -> str:
    """The salt of one text: 22 characters of base64url. `start` is the secret salt of the request's start.

    `what` says which text of the request it is; each has its own salt, and no salt can be computed from another.
    """
    made = hmac.digest(start.encode(), "\0".join(str(part) for part in what).encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode()[:22]


def text_digest(salt: str, text: str) -> str | None:
    """HMAC-SHA-256 (hex) of the text under its salt; None for an empty text, which needs no hiding."""
    return hmac.digest(salt.encode(), text.encode(), "sha256").hex() if text else None
