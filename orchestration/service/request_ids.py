"""How a new request gets its ID: by chance, or from its idempotency key under the server's secret."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final

from orchestration.domain.gathering import GatheringRequest
from orchestration.domain.request import ApprovalRequest, to_json

CROCKFORD: Final = "0123456789abcdefghjkmnpqrstvwxyz"
BITS: Final = 40

AnyRequest = ApprovalRequest | GatheringRequest

# A keyed digest of a text under each secret that is known, the newest first; each of at least five bytes.
KeyedDigests = Callable[[str], Sequence[bytes]]


class RequestIds:
    """`<policy>-<8 characters of Crockford base32>`.

    From the same policy, requester and idempotency key comes the same ID. Without the secret nobody can compute it,
    so nobody can look for, or wait at, a request that is yet to come.
    """

    def __init__(self, keyed: KeyedDigests) -> None:
        self._keyed = keyed

    def fresh(self, request: AnyRequest) -> str:
        """A random one."""
        return _id(request.policy, secrets.randbits(BITS))

    def of_key(self, request: AnyRequest, key: str) -> list[str]:
        """What it is called under each secret that is known. The first is for a request that is new."""
        about = to_json([request.policy, request.requester, key])
        return [
            _id(request.policy, int.from_bytes(digest[: BITS // 8], "big")) for digest in self._keyed(about)
        ]


def _id(policy: str, number: int) -> str:
    return f"{policy}-" + "".join(CROCKFORD[number >> shift & 31] for shift in range(BITS - 5, -1, -5))
