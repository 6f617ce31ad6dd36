"""Tool calls that wait for people: asks or joins, and lets an approved call be made once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityInstanceId

from orchestration.domain import argument_schema
from orchestration.domain import arguments as args
from orchestration.domain.commands import Progress
from orchestration.domain.edits import between
from orchestration.domain.errors import (
    ForeignCallError,
    HubSilentError,
    InvalidRequestError,
    UnknownRequestError,
    UnusableApprovalError,
)
from orchestration.domain.held_call import CallFacts, HeldCall
from orchestration.domain.request import HELD_CALL, ApprovalRequest, EditedValue, Status, to_json
from orchestration.held_calls.claims import Claim, HeldCallState
from orchestration.service.approvals import Actor, ApprovalService
from orchestration.service.calls import FIRST_LOOK, SLOWEST_LOOK, translated, within_budget
from orchestration.service.request_ids import KeyedDigests

DEFAULT_WINDOW: Final = timedelta(minutes=10)
# How far the clock that stamped an outcome may be ahead of the one that reads it.
SKEW: Final = timedelta(minutes=1)
ANSWERED_WITHIN: Final = 10.0  # seconds for the hub to run an operation
PASSED_BY: Final = 20  # settled requests of a call that one `ask` goes past


@dataclass(frozen=True)
class ToolCall:
    """A call as a program describes it. `mask` are paths into the arguments that nobody is to see.

    `accepts_edits` says that the program makes the call with the arguments that its claim is answered with.
    """

    policy: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    server: str = ""
    directory: str = ""
    mask: Sequence[str] = ()
    window: timedelta = field(default=DEFAULT_WINDOW)
    accepts_edits: bool = False
    input_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ClaimedArguments:
    """The call that may be made now, as it was approved. `changes` are what is other than it was asked."""

    call: HeldCall
    changes: Sequence[EditedValue]


class HeldCalls:
    """See `ask` and `claim`. Each may raise `HubUnavailableError`.

    `keyed` are digests under the server's secrets, the newest first. `now` is the time that outcomes are stamped by.
    """

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        approvals: ApprovalService,
        keyed: KeyedDigests,
        now: Callable[[], datetime],
    ) -> None:
        self._client = client
        self._approvals = approvals
        self._keyed = keyed
        self._now = now

    async def ask(self, call: ToolCall, actor: Actor) -> tuple[Progress, str]:
        """The request that this very call waits for, and the digest of its arguments: an open one, or a new one.

        One that was approved and not used counts within the window, and so does a rejection. After the window, and
        after every other end, people are asked anew. Raises what `ApprovalService.start` does.
        """
        request = self._request(call, actor)
        held = _call_of(request)
        number = (await self._state(held.key)).number
        for _ in range(PASSED_BY):
            this = held.model_copy(update={"number": number})
            # The space keeps it apart from every key that a caller may choose.
            once = {"call": this, "idempotency_key": f"call {held.key} {number}"}
            progress = await self._approvals.status(
                await self._approvals.start(request.model_copy(update=once))
            )
            if not progress.status.ended or self._counts(progress, held.window):
                return progress, held.arguments_digest
            number = (await self._run(held.key, "pass_by", number, number)).number
        raise HubSilentError

    async def claim(self, request_id: str, actor: Actor, attempt: str) -> ClaimedArguments:
        """Uses the approval up, for this attempt to make the call now. The same attempt may repeat it.

        What may be made is the call as it was approved, with what approvers changed.

        Raises `UnknownRequestError`, `ForeignCallError` where somebody else asked, and `UnusableApprovalError` where
        it is not approved, too old, or used by another attempt.
        """
        view = await self._approvals.view(request_id)
        request, progress = view.request, view.progress
        if request.call is None or progress.asked_without_seal:
            raise UnknownRequestError("There is no held call with that ID.")
        if (request.requester, request.asked_with) != (actor.id, actor.token):
            raise ForeignCallError
        if not progress.status.is_yes:
            ended = f"It is {progress.status}" if progress.status.ended else "It is not decided yet"
            raise UnusableApprovalError(f"{ended}, so the call must not be made.")
        if self._is_ahead(progress):
            raise UnusableApprovalError(
                "The approval was given at a time that lies ahead of this server's clock, so nobody can tell how old "
                "it is. Please tell its operator."
            )
        if not self._counts(progress, request.call.window):
            raise UnusableApprovalError(
                "The approval is too old by now. Make the same call again to ask anew."
            )
        number = request.call.number
        claim = Claim(number=number, request_id=request_id, nonce=progress.nonce, attempt=attempt)
        state = await self._run(request.call.key, "claim", claim.model_dump(mode="json"), number)
        if state.claim_on(number) != claim:
            raise UnusableApprovalError(
                "The approval was used before, and each is for one call. Make the same call again to ask anew."
            )
        return ClaimedArguments(request.call, between(progress.edits))

    def _request(self, call: ToolCall, actor: Actor) -> ApprovalRequest:
        """What people are asked, with the key of the call and not yet a number. Raises `InvalidRequestError`."""
        args.canonical(call.arguments)
        schema = dict(call.input_schema) if call.input_schema is not None else None
        if schema is not None and (fault := argument_schema.schema_fault(schema)) is not None:
            raise InvalidRequestError(f"input_schema: {fault}.", field="input_schema")
        shown, bound = args.masked(call.arguments, call.mask, self._keyed_hex)
        # From the canonical form, so that the same call reads the same however it was written.
        shown, bound = (json.loads(args.canonical(one)) for one in (shown, bound))
        facts = CallFacts(
            agent=call.agent,
            server=call.server,
            tool=call.tool,
            directory=args.visible(call.directory).replace("\n", "\\n"),
            arguments_digest=args.digest(bound),
        )
        draft = ApprovalRequest(
            policy=call.policy,
            title=args.title_of(call.agent, call.tool, shown),
            description=args.written_out(shown),
            requester=actor.id,
            asked_with=actor.token,
            accepts_edits=call.accepts_edits,
        )
        about = {"request": draft.model_dump(mode="json"), "call": facts.model_dump(mode="json")}
        if schema is not None:
            about["schema"] = schema
        key = self._keyed_hex(to_json({**about, "window": call.window.total_seconds()}))
        held = HeldCall(
            **facts.model_dump(),
            key=key,
            number=0,
            window=call.window,
            arguments=shown,
            bound={} if bound == shown else bound,
            input_schema=schema,
        )
        return draft.model_copy(update={"call": held})

    def _keyed_hex(self, text: str) -> str:
        return self._keyed(text)[0].hex()

    def _counts(self, progress: Progress, window: timedelta) -> bool:
        """Whether this end still answers the call. A time that lies ahead is as good as one that is long past."""
        outcome = progress.outcome
        if outcome is None or not (outcome.status.is_yes or outcome.status is Status.REJECTED):
            return False
        return not self._is_ahead(progress) and self._now() - outcome.processed_at <= window

    def _is_ahead(self, progress: Progress) -> bool:
        return progress.outcome is not None and progress.outcome.processed_at - self._now() > SKEW

    async def _state(self, key: str) -> HeldCallState:
        with translated():
            found = await within_budget(self._client.get_entity(EntityInstanceId(HELD_CALL, key)))
        return (found.get_typed_state(HeldCallState) if found else None) or HeldCallState()

    async def _run(self, key: str, operation: str, given: Any, number: int) -> HeldCallState:
        """The state once that number is settled. Raises `HubSilentError` where it is not in time."""
        with translated():
            await within_budget(
                self._client.signal_entity(EntityInstanceId(HELD_CALL, key), operation, input=given)
            )
        clock = asyncio.get_running_loop()
        deadline, pause = clock.time() + ANSWERED_WITHIN, FIRST_LOOK
        while (state := await self._state(key)).number <= number:
            if clock.time() >= deadline:
                raise HubSilentError
            await asyncio.sleep(pause)
            pause = min(pause * 2, SLOWEST_LOOK)
        return state


def _call_of(request: ApprovalRequest) -> HeldCall:
    if request.call is None:
        raise AssertionError("it was made with a call")
    return request.call
