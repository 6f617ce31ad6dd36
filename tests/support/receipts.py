"""Outcomes to sign, as the approval workflow hands them over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.security.keys import SigningKeys
from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.request import Choice, Factor, LevelState, Outcome, Status, Via, Vote

ISSUER = "https://approvals.example"
AT = datetime(2026, 11, 1, tzinfo=UTC)
NONCE = "n" * 22


def published(keys: SigningKeys, issuer: str = ISSUER) -> dict[str, Any]:
    """The public keys as the server publishes them."""
    return {"issuer": issuer, **keys.public()}


def ended(request_id: str = "deploy-1", **changes: Any) -> SignReceiptInput:
    """An approval decided in Slack and confirmed by a code. `changes` replace fields of its outcome."""
    vote = Vote(
        round=1,
        holder="U0ADA",
        actor="U0ADA",
        choice=Choice.APPROVE,
        comment="Go.",
        salt="pepper",
        via=Via.CHAT,
        factor=Factor.SMS,
        at=AT,
    )
    outcome: dict[str, Any] = {
        "request_id": request_id,
        "status": Status.APPROVED,
        "processed_by": "U0ADA",
        "processed_at": AT,
        "levels": [LevelState(name="On call", status=Status.APPROVED, decisions=[vote])],
        "digest": "a" * 64,
        "nonce": NONCE,
    }
    return SignReceiptInput(
        outcome=Outcome(**outcome | changes),
        policy="deploy",
        policy_digest="b" * 64,
        requester="U0RITA",
        asked_with="ci",
        asked_at=AT - timedelta(hours=1),
        amount=Decimal("4200.50"),
        currency="EUR",
        attempt=1,
    )
