"""Standing grants and one request: whether a decision may give a grant, and whether a grant approves the request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError
from pydantic import TypeAdapter, ValidationError

from orchestration.approval.record import Record
from orchestration.domain.commands import Decision, Reason
from orchestration.domain.grant_effects import GrantCheckInput, GrantStanding, StartGrantInput
from orchestration.domain.granting import GrantOffer
from orchestration.domain.grants import GrantFacts, GrantUse
from orchestration.domain.names import grant_id
from orchestration.domain.request import GRANT_USES, Choice
from orchestration.durable.generator import Durable
from orchestration.durable.inbox import Inbox
from orchestration.held_calls.grant_uses import Candidate, UseGrant

log = logging.getLogger(__name__)

_CANDIDATES: TypeAdapter[list[Candidate]] = TypeAdapter(list[Candidate])
_USE: TypeAdapter[GrantUse | None] = TypeAdapter(GrantUse | None)


def unfit_grant(
    record: Record, decision: Decision, holder: str, offer: GrantOffer | None, now: datetime
) -> Reason | None:
    """Why a decision that counts cannot give its grant; None if it can, or gives none.

    The person has to decide from their own seat in the level's own round, on terms within those of the policy.
    """
    terms = decision.grant
    if terms is None:
        return None
    if offer is None or decision.choice is not Choice.APPROVE:
        return Reason.NOT_GRANTABLE
    if holder != decision.actor or decision.round != record.state.open_rounds[0]:
        return Reason.GRANT_OWN_SEAT
    fits = now < terms.until <= now + offer.longest and terms.uses <= offer.most_uses
    return None if fits else Reason.GRANT_TERMS


def started_grant(record: Record, attempt: int) -> StartGrantInput:
    """The input that starts the grant given with the approval."""
    vote, pattern, request = record.state.decided_by, record.pattern, record.request
    if vote is None or vote.grant is None or pattern is None or request.call is None:
        raise AssertionError("a grant was given")
    policy = record.policy
    deciders = policy.principals()
    return StartGrantInput(
        facts=GrantFacts(
            id=grant_id(record.request_id, record.identity.nonce),
            request_id=record.request_id,
            nonce=record.identity.nonce,
            policy=policy.key,
            policy_title=policy.title,
            policy_digest=record.policy_digest,
            call=request.call.facts(),
            pattern=pattern,
            requester=request.requester,
            asked_with=request.asked_with,
            granted_by=vote.actor,
            confirmed=vote.factor is not None,
            granted_at=vote.at,
            terms=vote.grant,
        ),
        channel=record.level.channel or policy.channel,
        deciders=deciders,
        groups=policy.groups_in(deciders),
        owner=policy.owner,
        attempt=attempt,
    )


class GrantLookup:
    """Looks for a grant that approves the request, and uses it once. If anything is uncertain, no grant approves it."""

    def __init__(
        self, ctx: OrchestrationContext, record: Record, inbox: Inbox, now: Callable[[], datetime]
    ) -> None:
        self._ctx = ctx
        self._record = record
        self._inbox = inbox
        self._now = now
        self._log = ctx.create_replay_safe_logger(log)

    def use(self) -> Durable[GrantUse | None]:
        """The use that counts for this request; None if people have to be asked."""
        if self._record.pattern is None:
            return None
        try:
            found = yield from self._call("candidates", {"now": self._now().isoformat()})
            for candidate in _CANDIDATES.validate_python(found or []):
                if not (yield from self._stands(candidate)):
                    continue
                asked = UseGrant(
                    id=candidate.id,
                    request_id=self._record.request_id,
                    nonce=self._record.identity.nonce,
                    title=self._record.request.title,
                    now=self._now(),
                )
                used = _USE.validate_python((yield from self._call("use", asked.model_dump(mode="json"))))
                if used is not None:
                    return used
        except (TaskFailedError, ValidationError) as error:
            self._log.warning(
                "%s: people are asked, as no grant could be looked up: %s", self._record.request_id, error
            )
        return None

    def _stands(self, candidate: Candidate) -> Durable[bool]:
        given = GrantCheckInput(
            grant=candidate.id,
            granted_by=candidate.granted_by,
            policy=self._record.policy.key,
            policy_digest=self._record.policy_digest,
            before_use=True,
        )
        check = self._ctx.call_activity("check_grant", input=given, return_type=GrantStanding)
        standing: GrantStanding = yield from self._inbox.meanwhile(check)
        return standing.stands

    def _call(self, operation: str, given: Any) -> Durable[Any]:
        pattern = self._record.pattern
        if pattern is None:
            raise AssertionError("there is a pattern")
        call: Task[Any] = self._ctx.call_entity(EntityInstanceId(GRANT_USES, pattern.key), operation, given)
        return (yield from self._inbox.meanwhile(call))
