"""Compares people's texts, as a server returns them, with the salted digests in the receipts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestration.domain.salts import text_digest


def text_faults(approval: Mapping[str, Any], claims: Mapping[str, Any]) -> Iterator[str]:
    """Returns as sentences what differs between an approval (`GET /api/approvals/{id}`) and its receipt."""
    outcome = approval["outcome"]
    for name in ("digest", "status", "nonce"):
        if outcome[name] != claims.get({"nonce": "jti"}.get(name, name)):
            yield f"its {name} is not that of its receipt"
    for name in ("reason", "comments"):
        if _digest(outcome, name, f"{name}_salt") != claims.get(f"{name}_digest"):
            yield f"its {name} is not what was signed"
    votes = [vote for level in outcome["levels"] for vote in level["decisions"]]
    signed = claims.get("decisions", [])
    if len(votes) != len(signed):
        yield f"it has {len(votes)} decisions, and {len(signed)} were signed"
    for vote, said in zip(votes, signed, strict=False):
        if (vote["actor"], vote["choice"]) != (said.get("actor"), said.get("choice")):
            yield f"a decision of {vote['actor']} is not what was signed"
        elif _digest(vote, "comment", "salt") != said.get("comment_digest"):
            yield f"the comment of {vote['actor']} is not what was signed"


def _digest(holder: Mapping[str, Any], text: str, salt: str) -> str | None:
    return text_digest(holder.get(salt) or "", holder.get(text) or "")
