"""A digest of everything an orchestration was told so far. It binds an answer to exactly one call."""

from __future__ import annotations

import base64
import hashlib

from orchestration.sealing.keys import joined


class HistoryDigest:
    """The digest of one history. What an orchestration does depends only on what it was told.

    So the digest and the number of a call identify it. The hub can make up two histories in which the same number is
    another call, but not two with the same digest.
    """

    def __init__(self) -> None:
        self._so_far = b""

    def add(self, *told: str) -> None:
        """Adds something that the orchestration was told."""
        self._so_far = hashlib.sha256(self._so_far + joined(told)).digest()

    def call(self, action_id: int) -> str:
        """The name of the call with this number that the orchestration makes now; valid as CALL of a seal."""
        return short(self._so_far + joined(("call", str(action_id))))


def short(data: bytes) -> str:
    """SHA-256 as 43 characters."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
