"""Makes the ID of a new request: random, or from its idempotency key under the server's secret."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

from orchestration.domain.gathering import GatheringRequest
from orchestration.domain.request import ApprovalRequest, to_json

CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
BITS: Final = 40

AnyRequest = ApprovalRequest | GatheringRequest

# Gives a text's keyed digest under each known secret, newest first; each has at least five bytes.
KeyedDigests = Callable[[str], Sequence[bytes]]


class RequestIds:
    """`<policy>-<8 characters of Crockford base32>`.

    The same policy, requester and idempotency key give the same ID. Nobody can compute it without the secret, so nobody
    can look or wait for a request before it exists.
    """

    def __init__(self, keyed: KeyedDigests) -> None:
        self._keyed = keyed

    def fresh(self, request: AnyRequest) -> str:
        """A random ID."""
        return _id(request.policy, secrets.randbits(BITS))

    def of_key(self, request: AnyRequest, key: str) -> list[str]:
        """The ID from the key under each known secret. A new request gets the first."""
        about = to_json([request.policy, request.requester, key])
        return [
            _id(request.policy, int.from_bytes(digest[: BITS // 8], "big")) for digest in self._keyed(about)
        ]


def _id(policy: str, number: int) -> str:
    return f"{policy}-" + "".join(CROCKFORD[number >> shift & 31] for shift in range(BITS - 5, -1, -5))
