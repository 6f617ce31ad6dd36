"""Checks that a receipt is genuine, and that it is about the request that somebody names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from bot.security.receipts import verify
from bot.security.signatures import Signed
from orchestration.domain.errors import CountersignError

_WORDS: Final = {"sub": "request", "jti": "nonce", "policy": "policy", "digest": "digest"}


class OtherReceiptError(CountersignError):
    """The receipt is genuine, but about something else."""


def check_receipt(
    receipt: str,
    published: Mapping[str, Any],
    wanted: Mapping[str, str | None],
    *,
    issuer: str | None = None,
    on_record: Callable[[Signed, str], bool] | None = None,
) -> dict[str, Any]:
    """Checks the receipt and returns its claims. `wanted` maps claims to their required value; None allows any value.

    Raises `ReceiptError`, or what `check_claims` raises.
    """
    claims = verify(receipt, published, issuer=issuer, on_record=on_record)
    check_claims(claims, wanted)
    return claims


def check_claims(
    claims: Mapping[str, Any], wanted: Mapping[str, str | None], *, without_seal: bool = False
) -> None:
    """Raises `OtherReceiptError` naming the first claim that is not as wanted.

    Another program on the task hub can ask a request without a seal and name anybody as its requester. So nobody
    knows whether the approver asked it themselves. Such a receipt is accepted only with `without_seal`.
    """
    if claims.get("asked_without_seal") and not without_seal:
        raise OtherReceiptError(
            f"the receipt is genuine, but {claims.get('sub')} was asked by another program on the task hub, and nobody "
            f"checked that it was {claims.get('requester')}."
        )
    for claim, value in wanted.items():
        if value is not None and claims.get(claim) != value:
            raise OtherReceiptError(
                f"the receipt is genuine, but about the {_WORDS[claim]} {claims.get(claim)}, not {value}."
            )
