"""Makes and checks receipts: outcomes as compact JWS (EdDSA, Ed25519), verifiable offline with the public keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from bot.security.receipt_claims import ReceiptClaims, ReceiptDecision, ReceiptEdit
from bot.security.signatures import PublishedKeys, Signed
from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.errors import CountersignError
from orchestration.domain.request import Outcome, RequestEdit, Status, Vote
from orchestration.domain.salts import text_digest

TYPE: Final = "countersign-receipt+jwt"

_HUBS_WORD: Final = frozenset({Status.TIMED_OUT, Status.FAILED, Status.TERMINATED})


class ReceiptError(CountersignError):
    """The receipt is not genuine."""


def outcome_claims(given: SignReceiptInput) -> dict[str, Any]:
    """Returns the claims of `ReceiptClaims` as JSON values. People's texts are in them only as salted digests.

    There is no `iat`: libraries refuse a receipt if its `iat` is ahead of the checker's clock.
    """
    outcome = given.outcome
    edited = bool(outcome.edits)
    claims = ReceiptClaims(
        sub=outcome.request_id,
        jti=outcome.nonce,
        policy=given.policy,
        policy_digest=given.policy_digest,
        requester=given.requester,
        asked_with=given.asked_with,
        asked_without_seal=outcome.asked_without_seal,
        asked_at=given.asked_at,
        digest=outcome.digest,
        asked_digest=outcome.asked_digest if edited else None,
        edits=[_edit(edit) for edit in outcome.edits] if edited else None,
        call=given.call,
        asked_call=given.asked_call if edited else None,
        grant=outcome.grant,
        amount=None if given.amount is None else str(given.amount),
        currency=given.currency,
        status=outcome.status,
        reported_by_hub=_reported_by_hub(outcome),
        processed_by=outcome.processed_by,
        processed_at=outcome.processed_at,
        reason_digest=text_digest(outcome.reason_salt, outcome.reason),
        comments_digest=text_digest(outcome.comments_salt, outcome.comments),
        decisions=[_decision(level.name, vote) for level in outcome.levels for vote in level.decisions],
    )
    return claims.model_dump(mode="json")


def _decision(level: str, vote: Vote) -> ReceiptDecision:
    return ReceiptDecision(
        level=level,
        actor=vote.actor,
        round=vote.round,
        **{"for": vote.holder if vote.holder != vote.actor else None},
        choice=vote.choice,
        comment_digest=text_digest(vote.salt, vote.comment),
        via=vote.via,
        factor=vote.factor,
        token=vote.token,
        at=vote.at,
        groups=vote.groups,
        grant=vote.grant,
    )


def _edit(edit: RequestEdit) -> ReceiptEdit:
    return ReceiptEdit(
        actor=edit.actor,
        level=edit.level,
        round=edit.round,
        paths=[change.path for change in edit.changes],
        voided=edit.voided,
        digest_before=edit.digest_before,
        digest=edit.digest,
        via=edit.via,
        factor=edit.factor,
        token=edit.token,
        at=edit.at,
    )


def _reported_by_hub(outcome: Outcome) -> bool:
    """Whether no person ended the request: the hub reported that a time was over or that the instance had ended."""
    silence = outcome.status is Status.REJECTED and outcome.processed_by is None
    return outcome.status in _HUBS_WORD or silence


def verify(
    receipt: str,
    published: Mapping[str, Any],
    *,
    issuer: str | None = None,
    on_record: Callable[[Signed, str], bool] | None = None,
) -> dict[str, Any]:
    """Returns the claims of a receipt that one of the published keys signed for this server. Needs no network.

    `issuer` is the server's address; the default is the address that is published with the keys. `on_record` says
    whether the records hold the receipt; a receipt by a retired key must be there. Raises `ReceiptError`.
    """
    try:
        keys = PublishedKeys(published)
        found = keys.read(receipt)
    except CountersignError as error:
        raise ReceiptError(f"The receipt is not genuine. {error}") from error
    if found.type != TYPE:
        raise ReceiptError("This was signed by Countersign, but it is no receipt.")
    _check_key(found, receipt.strip(), on_record)
    expected = issuer or keys.issuer
    if expected is not None and found.claims.get("iss") != expected:
        raise ReceiptError(f"The receipt is of the server {found.claims.get('iss')}, not of {expected}.")
    return found.claims


def _check_key(found: Signed, receipt: str, on_record: Callable[[Signed, str], bool] | None) -> None:
    """Raises `ReceiptError` if the key is retired, unless the receipt is older than that and on record."""
    if found.retired_at is None:
        return
    retired = f"the key {found.kid}, which was retired at {_said(found.retired_at)}"
    if found.too_late:
        signed_at = found.signed_at
        when = f"at {_said(signed_at)}" if signed_at else "at no time that it says"
        raise ReceiptError(f"The receipt was signed {when} by {retired}.")
    if on_record is None:
        raise ReceiptError(
            f"The receipt was signed by {retired}. It counts only if the records have it: give them with --log."
        )
    if not on_record(found, receipt):
        raise ReceiptError(f"The receipt was signed by {retired}, and the records do not have it.")


def _said(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
