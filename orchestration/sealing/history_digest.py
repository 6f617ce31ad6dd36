"""A digest of what an orchestration was told so far. It binds an answer to the one call that it answers."""

from __future__ import annotations

import base64
import hashlib

from orchestration.sealing.keys import joined


class HistoryDigest:
    """What an orchestration does follows from what it was told, and from nothing else.

    So a call is known by the digest and its number. The hub can make up two histories in which the same number is
    another call, but not two with the same digest.
    """

    def __init__(self) -> None:
        self._so_far = b""

    def add(self, *told: str) -> None:
        """The orchestration was told this too."""
        self._so_far = hashlib.sha256(self._so_far + joined(told)).digest()

    def call(self, action_id: int) -> str:
        """The name of the call with this number that the orchestration makes now; fit for CALL of a seal."""
        return short(self._so_far + joined(("call", str(action_id))))


def short(data: bytes) -> str:
    """SHA-256 as 43 characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
