"""The keys for seals: the first one makes seals, and each of them checks seals.

Pure: equal arguments give equal seals.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from typing import Final

from orchestration.domain.errors import CountersignError

SHORTEST: Final = 32  # bytes
# The key's ID, the call that the seal is made for (may be empty) and the MAC. None of them contains a dot or a quote.
_SEAL: Final = re.compile(r"([0-9a-f]{8})\.([A-Za-z0-9_-]{0,43})\.([A-Za-z0-9_-]{43})")


class BrokenSealError(CountersignError):
    """There is no seal, or it does not match this text at this place."""


class UnknownKeyError(CountersignError):
    """The seal was made with a key that this process does not hold. `key_id` says which."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"The seal was made with the key {key_id}, which this process does not hold.")
        self.key_id = key_id


class SealKeys:
    """Seals text for one place, such as "the event ApprovalDecision of the instance X".

    A seal is `KEY.CALL.MAC`. CALL names the call that the text is for, or answers, where there is one; the MAC
    (HMAC-SHA-256) is over the place, CALL and the text.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) < SHORTEST for key in keys):
            raise ValueError(f"a sealing key has at least {SHORTEST} bytes")
        self._keys = {key_id_of(key): _Hmac(key) for key in keys}
        self._newest = key_id_of(keys[0])

    @property
    def ids(self) -> list[str]:
        """The IDs of the keys; the first is that of the key that makes seals."""
        return list(self._keys)

    def seal(self, place: Sequence[str], text: str, call: str = "") -> str:
        """The seal of `text` at `place`."""
        return f"{self._newest}.{call}.{self._keys[self._newest].of(place, call, text)}"

    def check(self, place: Sequence[str], text: str, seal: str) -> str:
        """The call that the seal is made for. Raises `BrokenSealError` or `UnknownKeyError`."""
        found = _SEAL.fullmatch(seal)
        if found is None:
            raise BrokenSealError
        key_id, call, mac = found.groups()
        key = self._keys.get(key_id)
        if key is None:
            raise UnknownKeyError(key_id)
        if not hmac.compare_digest(mac, key.of(place, call, text)):
            raise BrokenSealError
        return call


def key_id_of(key: bytes) -> str:
    """Eight hex digits that name a key without revealing anything of it."""
    return hashlib.sha256(b"countersign sealing key\0" + key).hexdigest()[:8]


def generation_of(seal: str) -> str:
    """The name of the generation that began with this seal: the MAC of its input."""
    return seal.rpartition(".")[2]


class _Hmac:
    """HMAC-SHA-256 with one key, which is prepared once: a turn makes and checks a dozen seals."""

    def __init__(self, key: bytes) -> None:
        self._begun = hmac.new(key, digestmod="sha256")

    def of(self, place: Sequence[str], call: str, text: str) -> str:
        """In base64url, without padding."""
        mac = self._begun.copy()
        mac.update(joined((*place, call, text)))
        return base64.urlsafe_b64encode(mac.digest()).decode().rstrip("=")


def joined(parts: Iterable[str]) -> bytes:
    """The parts, each after its length, so that no two lists of parts give the same bytes."""
    out: list[bytes] = []
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        out.append(len(encoded).to_bytes(8, "big"))
        out.append(encoded)
    return b"".join(out)
