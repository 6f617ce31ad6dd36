"""The names that Countersign reserves on a task hub, and the comparison of names from outside with them.

The worker registers its workflows and entities by these names, and the workflows wait for events by these names only.
So a name that is added here is reserved at once.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Final


class OrchestrationName(StrEnum):
    """The workflows' names on a hub."""

    APPROVAL = "approval"
    RECONCILE = "reconcile"
    DELEGATE_CHANGE = "delegate_change"
    SMS_CHALLENGE = "sms_challenge"
    OWED_ANSWER = "owed_answer"
    POST_INTENT = "post_intent"
    GATHERING = "gathering"
    RECONCILE_GATHERING = "reconcile_gathering"
    FULFILMENT = "fulfilment"
    CHANNEL_DIGEST = "channel_digest"
    CALL_RESULT = "call_result"
    STANDING_GRANT = "standing_grant"
    CALL_LIST = "call_list"


class EntityName(StrEnum):
    """The entities' names on a hub."""

    PERSON = "person"
    WORKLIST = "worklist"
    PHONE = "phone"
    ROSTER = "roster"
    HELD_CALL = "held_call"
    GRANT_USES = "grant_uses"
    AGENT_RUN = "agent_run"


class EventName(StrEnum):
    """The events that the workflows wait for. `OUTCOME` is only the beginning of a name: see `nudge_of`."""

    DECISION = "ApprovalDecision"
    CANCELLED = "ApprovalCancelled"
    DELEGATED = "ApprovalDelegated"
    COMMENT = "ApprovalComment"
    RETRY = "ApprovalActionRetry"
    SMS_RESPONSE = "SmsChallengeResponse"
    SMS_CANCELLED = "SmsChallengeCancelled"
    SMS_UNDELIVERED = "SmsChallengeUndelivered"
    OUTCOME = "ApprovalOutcome"
    ANSWER_TOLD = "AnswerTold"
    GATHERING_ANSWERED = "GatheringAnswered"
    GATHERING_WITHDRAWN = "GatheringWithdrawn"
    FULFILMENT_EVENT = "FulfilmentEvent"
    FULFILMENT_CANCELLED = "FulfilmentCancelled"
    FULFILMENT_RETRY = "FulfilmentRetry"
    FULFILMENT_HANDED_OVER = "FulfilmentHandedOver"
    DIGEST_LINE = "DigestLine"
    DIGEST_STOP = "DigestStop"
    GRANT_USED = "GrantUsed"
    GRANT_REVOKED = "GrantRevoked"
    GRANT_DOUBTED = "GrantDoubted"
    CALL_LISTED = "CallListed"


class IdPrefix(StrEnum):
    """Prefixes of instance IDs, for the instances that are not named after a policy."""

    CHALLENGE = "challenge"
    RECONCILE = "reconcile"
    OWED_ANSWER = "owed-answer"
    FULFILMENT = "fulfilment"
    POST_INTENT = "post-intent"
    DIGEST = "digest"
    CALL_RESULT = "call-result"
    GRANT = "grant"
    CALLS = "calls"


# Orchestrations whose instances never run again. The digest's is not one: a listener that has ended begins anew with
# the next line.
RUN_ONCE: Final = frozenset(OrchestrationName) - {OrchestrationName.CHANNEL_DIGEST}
# The name of `reconcile` before the first release.
_FORMER: Final = frozenset({"settle"})
_ENTITY_MARK: Final = "@"
_NONCE_SHOWN: Final = 8
_CODE: Final = re.compile(rf"-sms-.{{{_NONCE_SHOWN}}}-\d+$")
_FULFILMENT: Final = re.compile(rf"{IdPrefix.FULFILMENT}-(.+)-(.{{{_NONCE_SHOWN}}})")
_PART: Final = ":"  # between the name of an event and the ID of its request


def folded(name: str) -> str:
    """The name in the form in which it is compared: case, Unicode form and space around it do not matter.

    Our hub passes a name on unchanged, the Python SDK matches events by `casefold`, and .NET ignores case.
    """
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold()).strip()


_ORCHESTRATIONS: Final = frozenset(folded(name) for name in OrchestrationName)
_ENTITIES: Final = frozenset(folded(name) for name in EntityName)
_EVENTS: Final = tuple(folded(name) for name in EventName)
_PREFIXES: Final = tuple(sorted({*(folded(prefix) for prefix in IdPrefix), *_FORMER}))


def is_own_orchestration(name: str) -> bool:
    """Whether an instance of this orchestration belongs to Countersign. One without a name counts as its own."""
    return not name or folded(name) in _ORCHESTRATIONS


def is_entity(instance_id: str) -> bool:
    """Whether this is how a hub writes the ID of an entity, `@name@key`."""
    return folded(instance_id).startswith(_ENTITY_MARK)


def is_own_entity(name: str) -> bool:
    """Whether an entity of this name belongs to Countersign. One without a name counts as its own."""
    return not name or folded(name) in _ENTITIES


def is_own_id(instance_id: str) -> bool:
    """Whether our own instances that are no requests have IDs like this: another program's would block one of them."""
    said = folded(instance_id).replace("_", "-")
    begins = any(said == prefix or said.startswith(f"{prefix}-") for prefix in _PREFIXES)
    return begins or _CODE.search(said) is not None


def code_id(request_id: str, nonce: str, number: int) -> str:
    """The ID of the challenge whose code confirms something on that start of a request: the `number`th of them."""
    return f"{request_id}-sms-{nonce[:_NONCE_SHOWN]}-{number}"


def fulfilment_id(request_id: str, nonce: str) -> str:
    """The ID of the instance that carries on with that start of a request once it is approved."""
    return f"{IdPrefix.FULFILMENT}-{request_id}-{nonce[:_NONCE_SHOWN]}"


def call_result_id(request_id: str, nonce: str) -> str:
    """The ID of the instance that keeps the result of the call that this start of a request approved."""
    return f"{IdPrefix.CALL_RESULT}-{request_id}-{nonce[:_NONCE_SHOWN]}"


def grant_id(request_id: str, nonce: str) -> str:
    """The ID of the standing grant that was given on that start of a request."""
    return f"{IdPrefix.GRANT}-{request_id}-{nonce[:_NONCE_SHOWN]}"


def call_list_id(request_id: str, nonce: str) -> str:
    """The ID of the list of waiting calls whose first was that start of a request."""
    return f"{IdPrefix.CALLS}-{request_id}-{nonce[:_NONCE_SHOWN]}"


def is_grant_id(instance_id: str) -> bool:
    """Whether `grant_id` makes IDs like this one. No policy has such a name, and so no request has such an ID."""
    return instance_id.startswith(f"{IdPrefix.GRANT}-")


def fulfilled_request(instance_id: str) -> tuple[str, str] | None:
    """The request's ID and the start of its nonce, read from an ID that `fulfilment_id` made; None for another ID."""
    found = _FULFILMENT.fullmatch(instance_id)
    return (found[1], found[2]) if found else None


def is_own_event(name: str) -> bool:
    """Whether an event of this name is one that Countersign waits for, or begins like one: `ApprovalOutcome:x`."""
    said = folded(name)
    return any(said == own or said.startswith(own + _PART) for own in _EVENTS)


def nudge_of(request_id: str) -> str:
    """The event that tells the asking orchestration that the outcome can be read."""
    return f"{EventName.OUTCOME}{_PART}{request_id}"


def policy_name_fault(name: str) -> str | None:
    """Why no policy may have this name: its requests would have IDs like other instances. None where it may."""
    said = folded(name).replace("_", "-")
    if said in {own.replace("_", "-") for own in _ORCHESTRATIONS}:
        return f"{name!r} is what Countersign calls one of its own workflows; choose another name"
    taken = next((prefix for prefix in _PREFIXES if said == prefix or said.startswith(f"{prefix}-")), None)
    if taken is None:
        return None
    return f"IDs that begin with {taken + '-'!r} belong to Countersign's own instances; choose another name"
