"""The service: the one way in for the chat system, SMS, the HTTP API and the command line.

Raising an event on an instance that has ended succeeds in silence on every hub, so a raise is never taken for a
result: the orchestrator publishes a verdict for each command ID, and the service reads it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState
from durabletask.entities import EntityInstanceId
from pydantic import ValidationError

from orchestration import telemetry
from orchestration.approval.outcome_activities import taken
from orchestration.approval.status import OVER, RequestView, progress_of, view_of
from orchestration.domain.arguments import Scalar
from orchestration.domain.commands import (
    EVENTS,
    Cancellation,
    Command,
    Comment,
    Decision,
    Delegation,
    Progress,
    Reason,
    Retry,
    Stamped,
    Verdict,
)
from orchestration.domain.effects import DelegateChange
from orchestration.domain.errors import (
    InvalidRequestError,
    UnknownRequestError,
)
from orchestration.domain.grants import GrantPattern, GrantTerms
from orchestration.domain.ids import IdReader, entity_key
from orchestration.domain.people import PersonEntry
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.request import (
    APPROVAL,
    PERSON,
    ApprovalRequest,
    Choice,
    Identity,
    Outcome,
    RemarkKind,
    Via,
)
from orchestration.domain.text import is_blank
from orchestration.people.person import PersonState
from orchestration.runtime.precedence import Precedence
from orchestration.runtime.turns import Turns
from orchestration.service.calls import (
    SHORTEST_LOOK,
    answers,
    state_of,
    translated,
    within_budget,
)
from orchestration.service.edit_check import unfit_edits
from orchestration.service.hub_health import HubHealth, hub_health
from orchestration.service.making import made
from orchestration.service.open_limits import OpenLimits
from orchestration.service.open_requests import OpenRequests
from orchestration.service.request_ids import RequestIds
from orchestration.service.starting import RequestStarter
from orchestration.service.tickets import Ticket, verdict_after_end, verdict_in
from orchestration.service.verdicts import VerdictTally, wait_for_verdict

T = TypeVar("T")
C = TypeVar("C", bound=Stamped)


@dataclass(frozen=True)
class Actor:
    """Who acts, and by which way: read from a verified payload, a token or an enrolled number, never from a body.

    `token` is the name of the API token, where there is one.
    """

    id: str
    via: Via
    token: str | None = None


@dataclass(frozen=True)
class CallsTogether:
    """For a call, by its policy as written: the pattern of grants that may approve it, and whose card it shares.

    `run` is the key of the agent's run, whose waiting calls are shown together; empty for a card of its own.
    """

    policy_digest: str
    pattern: GrantPattern | None
    run: str


class ApprovalService:
    """`start`, then `decide`, `delegate`, `comment`, `cancel`, `retry`; `status` and `wait` to look.

    Each may raise `HubUnavailableError`: nothing was recorded. `book` is called for each new request, so that the
    policies may be reloaded; requests already open keep their snapshot. `ids` checks the people whom a command names,
    and `request_ids` makes the IDs of new requests.
    """

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        book: Callable[[], PolicyBook],
        ids: IdReader,
        request_ids: RequestIds,
        limits: OpenLimits = OpenLimits(),  # noqa: B008 - immutable
        turns: Turns | None = None,
        precedence: Precedence | None = None,
        tally: VerdictTally | None = None,
    ) -> None:
        """`turns` are the worker's turns, if this process has one: they tell when to look for a verdict."""
        self._client = client
        self.book = book
        self._ids = ids
        self._turns = turns or Turns()
        self._precedence = precedence or Precedence()
        self._tally = tally or VerdictTally()
        self.starter = RequestStarter(client, request_ids, OpenRequests(client, limits))

    # ---- asking ------------------------------------------------------------------------------------------

    async def start(self, request: ApprovalRequest) -> str:
        """Starts the approval of `request` and returns its ID, on disk. `request.requester` was stamped by the caller.

        With an idempotency key the same request starts once, even if the secret has changed since, and each call
        returns its ID. Raises `InvalidRequestError` naming the field, or `IdempotencyConflictError`, or
        `TooManyOpenError`.
        """
        return await self.starter.start(taken(request, self.book(), self._ids))

    async def start_call(self, request: ApprovalRequest, together: CallsTogether | None) -> str:
        """As `start`, for a tool call. Only `HeldCalls` may call this: it makes `together` from the call.

        If the policy has changed since, people are asked about this call alone.
        """
        given = taken(request, self.book(), self._ids)
        if together is not None and together.policy_digest == given.policy_digest:
            update = {"pattern": together.pattern, "run": together.run}
            given = given.model_copy(update=update)
        return await self.starter.start(given)

    async def start_review(self, request: ApprovalRequest) -> str:
        """As `start`, for the review of a document. Only the watcher of the places may call this."""
        return await self.starter.start(taken(request, self.book(), self._ids, reviews=True))

    async def started(self, request: ApprovalRequest) -> str | None:
        """The ID of the request if its idempotency key has started this same request; else None.

        Raises `InvalidRequestError` or `IdempotencyConflictError`, as `start` does.
        """
        return await self.starter.started(taken(request, self.book(), self._ids))

    # ---- commands: each is on disk when its ticket is returned, and `verdict` waits for the answer ---------

    async def decide(  # noqa: PLR0913 - each says something else of one decision
        self,
        request_id: str,
        actor: Actor,
        choice: Choice,
        *,
        shown: Identity,
        round: int,
        round_named: bool = True,
        comment: str = "",
        edits: Mapping[str, Scalar] | None = None,
        grant: GrantTerms | None = None,
        command_id: str | None = None,
    ) -> Ticket:
        """Approves or rejects what the actor was `shown`. The command is refused if the request has changed since.

        With `edits`, new values by path, it approves the request with these values. Raises `InvalidRequestError`, whose
        field is the path, where one is not allowed or does not fit. With `grant` calls like this one are approved in
        advance, on these terms, which they were shown too.

        As in every command, the same `command_id` is handled once, and refused if it comes with another command. Each
        raises `InvalidRequestError` naming the field that is not fit, such as a comment over 2,000 characters.
        """
        return await self._submit(
            request_id,
            self._made(
                Decision,
                actor,
                command_id,
                shown,
                round=round,
                round_named=round_named,
                choice=choice,
                comment=comment,
                edits=dict(edits or {}),
                grant=grant,
            ),
        )

    async def delegate(
        self,
        request_id: str,
        actor: Actor,
        to: str,
        *,
        shown: Identity,
        round: int,
        command_id: str | None = None,
    ) -> Ticket:
        """Hands the actor's vote at the open level to `to`, for the request as they were `shown` it."""
        return await self._submit(
            request_id, self._made(Delegation, actor, command_id, shown, round=round, to=to)
        )

    async def comment(
        self,
        request_id: str,
        actor: Actor,
        kind: RemarkKind,
        text: str,
        *,
        shown: Identity | None = None,
        command_id: str | None = None,
    ) -> Ticket:
        """Asks, answers or remarks; changes no vote. `text` must not be blank (`InvalidRequestError`).

        Here and below, `shown` may be left out. If given, it has to match the request.
        """
        if is_blank(text):
            raise InvalidRequestError("Please write a few words.", field="text")
        return await self._submit(
            request_id, self._made(Comment, actor, command_id, shown, kind=kind, text=text)
        )

    async def cancel(
        self,
        request_id: str,
        actor: Actor,
        *,
        reason: str = "",
        shown: Identity | None = None,
        command_id: str | None = None,
    ) -> Ticket:
        """Withdraws the request. Only its requester may."""
        return await self._submit(
            request_id, self._made(Cancellation, actor, command_id, shown, reason=reason)
        )

    async def retry(
        self, request_id: str, actor: Actor, *, shown: Identity | None = None, command_id: str | None = None
    ) -> Ticket:
        """Has the outcome's failed actions tried again. Only the policy's owner may."""
        return await self._submit(request_id, self._made(Retry, actor, command_id, shown))

    def _made(
        self, model: type[C], actor: Actor, command_id: str | None, shown: Identity | None, **what: object
    ) -> C:
        """The command, stamped. Raises `InvalidRequestError`."""
        stamp = {
            "command_id": command_id or str(uuid.uuid4()),
            "actor": actor.id,
            "via": actor.via,
            "token": actor.token,
            "nonce": shown.nonce if shown else None,
            "digest": shown.digest if shown else None,
        }
        return made(model, self._ids, **{**stamp, **what})

    async def _submit(self, request_id: str, command: Command) -> Ticket:
        """Checks the request and raises the event within one time budget: a chat system waits no longer."""
        action = str(command.choice) if isinstance(command, Decision) else EVENTS[type(command)].value
        with (
            self._precedence.ahead(),
            telemetry.span(f"command {action}", attributes={telemetry.ACTION: action}),
        ):
            telemetry.concerns(request_id)
            return await within_budget(self._look_and_raise(request_id, command))

    async def _look_and_raise(self, request_id: str, command: Command) -> Ticket:
        state = await self._known(request_id)
        progress = progress_of(state)
        telemetry.describe(telemetry.POLICY, progress.policy)
        ticket = Ticket(
            request_id,
            command.command_id,
            command.fingerprint(),
            retries=isinstance(command, Retry),
            via=command.via,
        )
        if state.runtime_status in OVER or (progress.status.ended and not isinstance(command, Retry)):
            return replace(ticket, known=verdict_after_end(progress, ticket))
        if isinstance(command, Decision) and command.edits and (done := verdict_in(progress, ticket)):
            return replace(ticket, known=done)  # its own edit changed the digest that it names
        reason = self._revoked(command, progress) or unfit_edits(command, state, self._ids)
        if reason is not None:
            return replace(ticket, known=Verdict(command_id=command.command_id, reason=reason))
        # The count orders the command after everything its person did before, in whichever process.
        stamped = command.model_copy(update={"answered": progress.answered})
        with translated():
            await self._client.raise_orchestration_event(request_id, EVENTS[type(command)], data=stamped)
        return ticket

    def _revoked(self, command: Command, progress: Progress) -> Reason | None:
        """Why the present policy file stops a vote that the request's own policy may allow; None where it does not."""
        revoked = self.book().revoked()
        if not revoked or not isinstance(command, (Decision, Delegation)):
            return None
        stands_in_for = {
            absent
            for level in progress.levels
            for absent, delegate in level.delegates.items()
            if delegate == command.actor
        }
        if command.actor in revoked or stands_in_for & revoked:
            return Reason.REVOKED
        if isinstance(command, Delegation) and command.to in revoked:
            return Reason.DELEGATE_UNFIT
        return None

    async def verdict(
        self,
        ticket: Ticket,
        *,
        timeout: float = 10.0,  # noqa: ASYNC109 - a bound on the wait, not on the work
        last_look: float = SHORTEST_LOOK,
    ) -> Verdict:
        """The verdict on the command; `NO_ANSWER_YET` (recorded, not yet handled) after `timeout` seconds.

        The last look may take `last_look` seconds, even after the timeout. The command is on disk, so if the hub goes
        away meanwhile, this waits for it and does not report the command as lost.
        """
        if ticket.known:
            return self._tally.told(ticket, ticket.known)

        async def look() -> Verdict | None:
            state = await self._known(ticket.request_id)
            progress = progress_of(state)
            over = state.runtime_status in OVER
            return verdict_after_end(progress, ticket) if over else verdict_in(progress, ticket)

        def read(status: str) -> Verdict | None:
            try:
                return verdict_in(Progress.model_validate_json(status, extra="ignore"), ticket)
            except ValidationError:  # it is no approval's status; the look reports that
                return None

        verdict = await wait_for_verdict(
            self._turns,
            ticket.request_id,
            ticket.command_id,
            look,
            read,
            timeout=timeout,
            last_look=last_look,
        )
        return self._tally.told(ticket, verdict)

    # ---- looking -----------------------------------------------------------------------------------------

    async def reachable(self) -> bool:
        """Whether the hub answers. Raises `HubUnavailableError` when it does not."""
        await answers(self._client)
        return True

    async def hub_health(self) -> HubHealth:
        """The hub's health, for operators. Raises `HubSilentError`."""
        return await hub_health(self._client)

    async def status(self, request_id: str) -> Progress:
        """The progress of the request. Raises `UnknownRequestError`."""
        return progress_of(await self._known(request_id))

    async def identity(self, request_id: str) -> Identity:
        """The identity that a decision on the request has to name now. Raises `UnknownRequestError`."""
        return (await self.status(request_id)).identity

    async def view(self, request_id: str) -> RequestView:
        """The request, its progress, and the policy it was made under. Raises `UnknownRequestError`."""
        return view_of(await self._known(request_id))

    async def wait(self, request_id: str, *, timeout: float) -> Outcome | None:  # noqa: ASYNC109 - as above
        """The outcome as soon as the request is decided; None when `timeout` seconds pass first."""
        deadline = asyncio.get_running_loop().time() + timeout
        with self._turns.watch(request_id) as watch:
            while True:
                progress = await self.status(request_id)
                if progress.outcome:
                    return progress.outcome
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return None
                await watch.next(left)

    # ---- people ------------------------------------------------------------------------------------------

    async def set_away(self, person: str, entry: PersonEntry | None) -> None:
        """Records that a person is away and who decides for them. None removes it: the policy file counts again.

        If that changes anything, the person is told, durably: see `orchestration.people.delegate_change`.
        """
        entity = EntityInstanceId(PERSON, entity_key(person))
        with translated():
            found = await within_budget(self._client.get_entity(entity))
            known = found.get_typed_state(PersonState) if found else None
            change = DelegateChange(
                person=person,
                entry=entry,
                change_id=str(uuid.uuid4()),
                changed_at=datetime.now(UTC),
                follows=known.changed if known else 0,
            )
            sent = change.model_dump(mode="json", by_alias=True)
            await within_budget(self._client.signal_entity(entity, "set_entry", sent))

    async def _known(self, request_id: str) -> OrchestrationState:
        state = await state_of(self._client, request_id)
        if state is None or state.name != APPROVAL:
            raise UnknownRequestError
        return state
