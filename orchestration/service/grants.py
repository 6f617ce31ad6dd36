"""The service of standing grants: lists them, and revokes them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationQuery, OrchestrationStatus
from pydantic import ValidationError

from orchestration import telemetry
from orchestration.approval.status import OVER
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import InvalidRequestError, UnknownRequestError
from orchestration.domain.ids import IdReader
from orchestration.domain.names import IdPrefix
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import STANDING_GRANT
from orchestration.grants.models import (
    EVENT_DOUBTED,
    EVENT_REVOKED,
    GrantDoubt,
    GrantProgress,
    GrantRevocation,
)
from orchestration.grants.status import grant_progress_of
from orchestration.runtime.turns import Turns
from orchestration.service.approvals import Actor
from orchestration.service.calls import SHORTEST_LOOK, state_of, translated, within_budget
from orchestration.service.messages import SENTENCES
from orchestration.service.tickets import Ticket
from orchestration.service.verdicts import VerdictTally, wait_for_verdict

UNKNOWN: Final = "There is no standing grant with that ID."
_OF_GRANTS: Final = {
    Reason.RECORDED: "Revoked. The next such call is asked about.",
    Reason.UNCHANGED: "That was already done; nothing changed.",
    Reason.NOT_AN_APPROVER: (
        "Only who gave it, who may decide such calls, the owner of the agent's token and the policy's owner can revoke "
        "it. Nothing changed."
    ),
    Reason.ALREADY_ENDED: "It had ended already.",
    Reason.OUTDATED: "This is about another grant than the one you saw, so nothing changed.",
    Reason.UNKNOWN_REQUEST: "I don't know this grant. It may have been removed after its retention time.",
    Reason.NO_ANSWER_YET: "That is recorded and will be handled shortly; the card of the grant will say how.",
    Reason.MALFORMED: "Something went wrong, so nothing changed. Please try again.",
}


def grant_sentence(verdict: Verdict) -> str:
    """What to tell whoever revoked a grant and got this verdict. Total over all reasons."""
    return _OF_GRANTS.get(verdict.reason, SENTENCES[verdict.reason])


class GrantService:
    """`standing` and `read` to look, `revoke` to end one. Each may raise `HubUnavailableError`.

    `book` gives the policies as they are now, `ids` checks who acts, `now` is the hub's time.
    """

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        book: Callable[[], PolicyBook],
        ids: IdReader,
        now: Callable[[], datetime],
        turns: Turns | None = None,
        tally: VerdictTally | None = None,
    ) -> None:
        self._client = client
        self.book = book
        self._ids = ids
        self.now = now
        self._turns = turns or Turns()
        self._tally = tally or VerdictTally()

    # ---- looking -----------------------------------------------------------------------------------------

    async def standing(self) -> list[GrantProgress]:
        """The grants that have not ended, the first to end first."""
        query = OrchestrationQuery(
            runtime_status=[OrchestrationStatus.RUNNING, OrchestrationStatus.PENDING],
            instance_id_prefix=f"{IdPrefix.GRANT}-",
            fetch_inputs_and_outputs=True,
        )
        with translated():
            states = await within_budget(self._client.get_all_orchestration_states(query))
        found = []
        for state in states:
            try:
                progress = grant_progress_of(state)
            except (
                UnknownRequestError
            ):  # another program's, or sealed with a key that this process does not hold
                continue
            if progress.facts.id == state.instance_id and progress.ended is None:
                found.append(progress)
        return sorted(found, key=lambda one: one.facts.terms.until)

    async def concerning(self, person: str, groups: Collection[str]) -> list[GrantProgress]:
        """The grants that this person, who is in these groups, gave or may revoke. The orchestration checks again."""
        if all(policy.grants is None for policy in self.book().policies.values()):
            return []
        principals = {person, *groups}
        return [
            one
            for one in await self.standing()
            if principals & {one.facts.granted_by, one.facts.requester, one.owner, *one.deciders}
        ]

    async def read(self, grant: str) -> GrantProgress:
        """The state of a grant. Raises `UnknownRequestError`."""
        state = await state_of(self._client, grant)
        if state is None or state.name != STANDING_GRANT:
            raise UnknownRequestError(UNKNOWN)
        found = grant_progress_of(state)
        if found.facts.id != grant:
            raise UnknownRequestError(UNKNOWN)
        return found

    # ---- acting ------------------------------------------------------------------------------------------

    async def revoke(
        self,
        grant: str,
        actor: Actor,
        *,
        nonce: str | None = None,
        operator: bool = False,
        command_id: str | None = None,
    ) -> Ticket:
        """Ends a grant: once the verdict is `RECORDED`, it approves no more calls. Raises `UnknownRequestError`.

        Its orchestration decides who may. `operator`: the caller's token may operate the server, whoever owns it.
        """
        try:
            command = GrantRevocation.model_validate(
                {
                    "command_id": command_id or str(uuid.uuid4()),
                    "actor": actor.id,
                    "via": actor.via,
                    "token": actor.token,
                    "nonce": nonce,
                    "operator": operator,
                },
                context=self._ids,
            )
        except ValidationError as error:
            raise InvalidRequestError("That is no ID of a person.", field="actor") from error
        telemetry.concerns(grant)
        progress = await self.read(grant)
        ticket = Ticket(grant, command.command_id, command.fingerprint(), via=actor.via)
        if progress.ended is not None:
            return replace(ticket, known=_found(progress, ticket) or _too_late(ticket))
        if actor.id in self.book().revoked() and not operator:
            return replace(ticket, known=Verdict(command_id=ticket.command_id, reason=Reason.REVOKED))
        with translated():
            await within_budget(self._client.raise_orchestration_event(grant, EVENT_REVOKED, data=command))
        return ticket

    async def verdict(
        self,
        ticket: Ticket,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - a bound on the wait, not on the work
        last_look: float = SHORTEST_LOOK,
    ) -> Verdict:
        """The verdict on the command; `NO_ANSWER_YET` after `timeout` seconds. See `wait_for_verdict`."""
        if ticket.known:
            return self._tally.told(ticket, ticket.known)

        async def look() -> Verdict | None:
            state = await state_of(self._client, ticket.request_id)
            if state is None:
                raise UnknownRequestError(UNKNOWN)
            found = _found(grant_progress_of(state), ticket)
            return found or (_too_late(ticket) if state.runtime_status in OVER else None)

        verdict = await wait_for_verdict(
            self._turns, ticket.request_id, ticket.command_id, look, timeout=timeout, last_look=last_look
        )
        return self._tally.told(ticket, verdict)

    async def sweep(self) -> int:
        """Has each grant check itself if its policy has changed or its giver was revoked; returns how many."""
        doubted = 0
        for one in await self.standing():
            if self._is_outdated(one):
                with translated():
                    raising = self._client.raise_orchestration_event(
                        one.facts.id, EVENT_DOUBTED, data=GrantDoubt()
                    )
                    await within_budget(raising)
                doubted += 1
        return doubted

    def _is_outdated(self, one: GrantProgress) -> bool:
        book, facts = self.book(), one.facts
        policy = book.policies.get(facts.policy)
        changed = policy is None or policy.digest() != facts.policy_digest
        return changed or facts.granted_by in book.revoked()


def _found(progress: GrantProgress, ticket: Ticket) -> Verdict | None:
    return next((one for one in progress.verdicts if one.is_on(ticket.command_id, ticket.fingerprint)), None)


def _too_late(ticket: Ticket) -> Verdict:
    return Verdict(command_id=ticket.command_id, reason=Reason.ALREADY_ENDED)
