"""Codes, digests and encrypted numbers, all made with the server's secret. Pure: equal arguments give equal results.

Nothing made here is stored in the clear. A code is derived anew each time it is sent or compared. An answer is sent as
a keyed digest. A number is stored as a keyed digest (to find it) or encrypted (to send to it).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from orchestration.domain.errors import NumberDecryptionError
from orchestration.domain.text import digits_alone

MIN_SECRET: Final = 32  # bytes
MIN_DIGITS: Final = 4
MAX_DIGITS: Final = 8
_NONCE: Final = 12  # bytes


@dataclass(frozen=True)
class Codes:
    """Makes codes, digests and encrypted numbers with one secret.

    Older secrets still decrypt what they encrypted and confirm the codes they made. `secrets` has the present one
    first, each of at least 32 bytes. `digits` is the length of a code, 4 to 8.
    """

    secrets: Sequence[bytes] = field(repr=False)
    digits: int = 6

    def __post_init__(self) -> None:
        if not self.secrets or any(len(secret) < MIN_SECRET for secret in self.secrets):
            raise ValueError(f"a secret has at least {MIN_SECRET} bytes")
        if not MIN_DIGITS <= self.digits <= MAX_DIGITS:
            raise ValueError(f"a code has {MIN_DIGITS} to {MAX_DIGITS} digits")

    def code(self, challenge_id: str, bound: str) -> str:
        """The digits for a challenge, bound to what is confirmed: HMAC-SHA-256, truncated as in RFC 4226, section 5.3.

        `bound` is canonical text of request, round, person and digest; if any of them differs, so does the code.
        """
        return _truncate(_mac(self.secrets[0], "code", challenge_id, bound), self.digits)

    def fits(self, answer: str, challenge_id: str, bound: str) -> bool:
        """Whether a keyed answer is that of the right code, under any known secret; compares each in constant time."""
        found = False
        for secret in self.secrets:
            code = _truncate(_mac(secret, "code", challenge_id, bound), self.digits)
            for keyed_by in self.secrets:
                found |= hmac.compare_digest(answer, _mac(keyed_by, "answer", challenge_id, code).hex())
        return found

    def answer(self, challenge_id: str, text: str) -> str:
        """The form in which a typed code is raised: a keyed digest (hex) that reveals nothing of the digits."""
        return _mac(self.secrets[0], "answer", challenge_id, text).hex()

    def digits_of(self, text: str) -> str | None:
        """The code that somebody typed, in digits of any script; None if it is not digits of the right length.

        Spaces, hyphens, other punctuation and invisible characters are ignored.
        """
        plain = digits_alone(text)
        return plain if len(plain) == self.digits and plain.isascii() and plain.isdigit() else None

    def number_key(self, number: str) -> str:
        """The key of a number's `phone` entity: 32 hex digits that reveal nothing of the number."""
        return _mac(self.secrets[-1], "number", number).hex()[:32]

    def of_key(self, token: str, key: str) -> list[bytes]:
        """The digest of that API token's idempotency key under each secret, the present one first: 32 bytes each."""
        return [_mac(secret, "idempotency key", token, key) for secret in self.secrets]

    def encrypt(self, number: str, context: str) -> str:
        """The number, encrypted for us alone and for this context only (such as the challenge's ID)."""
        nonce = _mac(self.secrets[0], "nonce", context, number)[:_NONCE]
        encrypted = ChaCha20Poly1305(_encryption_key(self.secrets[0])).encrypt(
            nonce, number.encode(), context.encode()
        )
        return base64.urlsafe_b64encode(nonce + encrypted).decode()

    def decrypt(self, encrypted: str, context: str) -> str:
        """The decrypted number. Raises `NumberDecryptionError` if we did not encrypt it, or not for this context."""
        try:
            raw = base64.urlsafe_b64decode(encrypted.encode())
        except ValueError as error:
            raise NumberDecryptionError from error
        for secret in self.secrets:
            try:
                return (
                    ChaCha20Poly1305(_encryption_key(secret))
                    .decrypt(raw[:_NONCE], raw[_NONCE:], context.encode())
                    .decode()
                )
            except (InvalidTag, ValueError):
                continue
        raise NumberDecryptionError


def mask(number: str) -> str:
    """A number as people and records may see it: `+1•••••0142`, its country code and last four digits.

    `number` is E.164. Country codes have one to three digits; the first two are enough to recognise one's own.
    """
    shown = 2 if number.startswith(("+1", "+7")) else 3
    return f"{number[:shown]}•••••{number[-4:]}"


def _mac(secret: bytes, purpose: str, *parts: str) -> bytes:
    """HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts give the same bytes."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (purpose, *parts))
    return hmac.new(secret, message, hashlib.sha256).digest()


def _truncate(digest: bytes, digits: int) -> str:
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def _encryption_key(secret: bytes) -> bytes:
    return HKDF(hashes.SHA256(), length=32, salt=None, info=b"countersign number encryption").derive(secret)
