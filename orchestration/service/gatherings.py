"""The service of gatherings, through which the chat system, the HTTP API and webhooks start and answer them.

As `ApprovalService` does, it hands each command to the hub, sealed, and reads the orchestration's verdict on it.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState

from orchestration import telemetry
from orchestration.approval.status import OVER
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.errors import InvalidRequestError, UnknownRequestError
from orchestration.domain.fields import read_values
from orchestration.domain.gathering import (
    GATHERING_EVENTS,
    AnswerWay,
    GatheringAnswer,
    GatheringCommand,
    GatheringProgress,
    GatheringRequest,
    GatheringWithdrawal,
)
from orchestration.domain.ids import IdReader
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import GATHERING
from orchestration.gathering.activities import taken_gathering
from orchestration.gathering.record import CORRECTIONS
from orchestration.gathering.status import GatheringRead, gathering_progress_of, gathering_read
from orchestration.runtime.precedence import Precedence
from orchestration.runtime.turns import Turns
from orchestration.service.approvals import Actor
from orchestration.service.calls import SHORTEST_LOOK, state_of, translated, within_budget
from orchestration.service.making import made
from orchestration.service.starting import RequestStarter
from orchestration.service.tickets import Ticket
from orchestration.service.verdicts import VerdictTally, wait_for_verdict


class GatheringService:
    """`start`, then `answer` and `withdraw`; `status` and `wait` to look.

    Each may raise `HubUnavailableError`: nothing was recorded. See `ApprovalService` for the arguments.
    """

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        book: Callable[[], PolicyBook],
        ids: IdReader,
        starter: RequestStarter,
        turns: Turns | None = None,
        precedence: Precedence | None = None,
        tally: VerdictTally | None = None,
    ) -> None:
        """`starter` is that of the approvals, so that what is open of both counts against one limit."""
        self._client = client
        self.book = book
        self._ids = ids
        self._turns = turns or Turns()
        self._precedence = precedence or Precedence()
        self._tally = tally or VerdictTally()
        self._starter = starter

    # ---- asking ------------------------------------------------------------------------------------------

    async def start(self, request: GatheringRequest) -> str:
        """Starts the gathering and returns its ID, on disk. `request.requester` was stamped by the caller.

        Raises what `ApprovalService.start` raises.
        """
        return await self._starter.start(taken_gathering(request, self.book(), self._ids))

    async def started(self, request: GatheringRequest) -> str | None:
        """The ID of the gathering if its idempotency key has started this same one; else None."""
        return await self._starter.started(taken_gathering(request, self.book(), self._ids))

    # ---- commands ----------------------------------------------------------------------------------------

    async def answer(
        self,
        request_id: str,
        actor: Actor,
        source: str,
        values: Mapping[str, object],
        *,
        way: AnswerWay,
        nonce: str,
        command_id: str | None = None,
    ) -> Ticket:
        """A person's answer for a source, which replaces an earlier one until the gathering ends.

        Raises `InvalidRequestError` naming the field that does not fit, and `UnknownRequestError`.
        """

        def command(read: GatheringRead) -> GatheringAnswer:
            return self._made_answer(read, actor, source, values, way, nonce, command_id)

        return await self._submit(self._make_and_raise(request_id, command))

    async def answer_of_system(
        self, request_id: str, event: str, values: object, *, nonce: str, command_id: str | None = None
    ) -> Ticket:
        """A system's answer, by the event that the policy declares for a source.

        Raises `UnknownRequestError` for an event that it does not declare, and what `answer` raises.
        """

        def command(read: GatheringRead) -> GatheringAnswer:
            source = read.policy.source_of_event(event)
            if source is None or read.progress.nonce != nonce:
                awaited = [one.event for one in read.policy.sources.values() if one.event]
                raise UnknownRequestError(
                    f"No source answers by the event {event}. It awaits: {', '.join(awaited) or 'no event'}."
                )
            if not isinstance(values, Mapping):
                raise InvalidRequestError(
                    'The body is a JSON object with a member for each field, such as {"ready": true}.'
                )
            return self._made_answer(read, None, source, values, AnswerWay.HOOK, nonce, command_id)

        return await self._submit(self._make_and_raise(request_id, command))

    async def withdraw(
        self,
        request_id: str,
        actor: Actor,
        *,
        way: AnswerWay,
        reason: str = "",
        nonce: str | None = None,
        command_id: str | None = None,
    ) -> Ticket:
        """Ends the gathering without waiting for more answers. Only its requester may."""
        command = made(
            GatheringWithdrawal,
            self._ids,
            command_id=command_id or str(uuid.uuid4()),
            actor=actor.id,
            way=way,
            token=actor.token,
            reason=reason,
            nonce=nonce,
        )
        return await self._submit(self._look_and_raise(request_id, command))

    def _made_answer(
        self,
        read: GatheringRead,
        actor: Actor | None,
        source: str,
        values: Mapping[str, object],
        way: AnswerWay,
        nonce: str,
        command_id: str | None,
    ) -> GatheringAnswer:
        if source not in read.policy.sources:
            raise InvalidRequestError(
                f"source: there is no {source[:40]!r}; there is {', '.join(read.policy.sources)}.",
                field="source",
            )
        return made(
            GatheringAnswer,
            self._ids,
            command_id=command_id or str(uuid.uuid4()),
            nonce=nonce,
            source=source,
            actor=actor.id if actor else None,
            way=way,
            token=actor.token if actor else None,
            values=read_values(read.policy.fields_of(source), values, self._ids),
        )

    async def _submit(self, work: Awaitable[Ticket]) -> Ticket:
        """Checks and raises within one time budget, ahead of this process's own work: somebody waits."""
        with self._precedence.ahead():
            return await within_budget(work)

    async def _make_and_raise(
        self, request_id: str, make: Callable[[GatheringRead], GatheringAnswer]
    ) -> Ticket:
        state = await self._known(request_id)
        return await self._raise(state, make(gathering_read(state)))

    async def _look_and_raise(self, request_id: str, command: GatheringCommand) -> Ticket:
        return await self._raise(await self._known(request_id), command)

    async def _raise(self, state: OrchestrationState, command: GatheringCommand) -> Ticket:
        request_id, progress = state.instance_id, gathering_progress_of(state)
        telemetry.concerns(request_id)
        ticket = Ticket(request_id, command.command_id, command.fingerprint(), via=command.way)
        if state.runtime_status in OVER or progress.status.ended:
            return replace(ticket, known=_find(progress, ticket) or _too_late(ticket))
        if (reason := self._refused(command, progress)) is not None:
            return replace(ticket, known=Verdict(command_id=command.command_id, reason=reason))
        with translated():
            await self._client.raise_orchestration_event(
                request_id, GATHERING_EVENTS[type(command)], data=command
            )
        return ticket

    def _refused(self, command: GatheringCommand, progress: GatheringProgress) -> Reason | None:
        """The reason not to send it: its person was revoked, or there were so many that no more would count."""
        if not isinstance(command, GatheringAnswer):
            return None
        found = next((source for source in progress.sources if source.name == command.source), None)
        # An answer in somebody's place counts as theirs, so it is refused if theirs would be.
        whose = {command.actor, found.person if found is not None else None}
        if command.actor is not None and whose & self.book().revoked():
            return Reason.REVOKED
        known = found.answer if found is not None else None
        return Reason.TOO_OFTEN if known is not None and known.corrections >= CORRECTIONS else None

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
            state = await self._known(ticket.request_id)
            found = _find(gathering_progress_of(state), ticket)
            return found or (_too_late(ticket) if state.runtime_status in OVER else None)

        verdict = await wait_for_verdict(
            self._turns, ticket.request_id, ticket.command_id, look, timeout=timeout, last_look=last_look
        )
        return self._tally.told(ticket, verdict)

    # ---- looking -----------------------------------------------------------------------------------------

    async def status(self, request_id: str) -> GatheringProgress:
        """The progress of the gathering. Raises `UnknownRequestError`."""
        return gathering_progress_of(await self._known(request_id))

    async def read(self, request_id: str) -> GatheringRead:
        """The gathering, its progress, and the policy it was asked under. Raises `UnknownRequestError`."""
        return gathering_read(await self._known(request_id))

    async def _known(self, request_id: str) -> OrchestrationState:
        state = await state_of(self._client, request_id)
        if state is None or state.name != GATHERING:
            raise UnknownRequestError
        return state


def _find(progress: GatheringProgress, ticket: Ticket) -> Verdict | None:
    return next((one for one in progress.verdicts if one.is_on(ticket.command_id, ticket.fingerprint)), None)


def _too_late(ticket: Ticket) -> Verdict:
    return Verdict(command_id=ticket.command_id, reason=Reason.ALREADY_ENDED)
