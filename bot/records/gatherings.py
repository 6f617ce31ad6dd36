"""The claims that the records hold about a gathering's result. They are no receipt: nothing was decided."""

from __future__ import annotations

from typing import Any

from orchestration.domain.gathering import RecordGatheringInput, SourceAnswer
from orchestration.domain.request import to_json
from orchestration.domain.salts import text_digest


def gathering_claims(given: RecordGatheringInput) -> dict[str, Any]:
    """Returns who was asked and who answered when.

    Answers are in it only as salted digests: no record holds people's texts.
    """
    result = given.result
    return {
        "sub": result.request_id,
        "jti": result.nonce,
        "policy": given.policy,
        "policy_digest": given.policy_digest,
        "requester": given.requester,
        "asked_with": given.asked_with,
        "asked_without_seal": result.asked_without_seal,
        "asked_at": given.asked_at.isoformat(),
        "digest": result.digest,
        "status": result.status.value,
        "ended_by": result.ended_by,
        "collected_at": result.collected_at.isoformat(),
        "is_complete": result.is_complete,
        "missing": result.missing,
        "sources": [_source(name, answer) for name, answer in sorted(result.sources.items())],
    }


def _source(name: str, answer: SourceAnswer) -> dict[str, Any]:
    instead = {} if answer.holder in {None, answer.actor} else {"for": answer.holder}
    return {
        "source": name,
        "actor": answer.actor,
        **instead,
        "way": answer.way.value,
        "token": answer.token,
        "at": answer.at.isoformat(),
        "corrections": answer.corrections,
        "values_digest": text_digest(answer.salt, to_json(answer.values)),
    }
