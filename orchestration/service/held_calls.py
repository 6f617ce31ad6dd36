"""Tool calls that wait for people: asks for approval, or joins an open request, and allows an approved call once."""

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
from orchestration.domain.grants import GrantPattern, apart
from orchestration.domain.held_call import CallFacts, HeldCall
from orchestration.domain.policy import Policy
from orchestration.domain.request import HELD_CALL, ApprovalRequest, EditedValue, Status, to_json
from orchestration.held_calls.claims import Claim, HeldCallState
from orchestration.service.approvals import Actor, ApprovalService, CallsTogether
from orchestration.service.call_results import CallResults
from orchestration.service.calls import FIRST_LOOK, SLOWEST_LOOK, translated, within_budget
from orchestration.service.grant_starts import grant_stands
from orchestration.service.request_ids import KeyedDigests

DEFAULT_WINDOW: Final = timedelta(minutes=10)
# The most that the clock that stamped an outcome may be ahead of the reader's.
SKEW: Final = timedelta(minutes=1)
ANSWERED_WITHIN: Final = 10.0  # seconds for the hub to run an operation
PASSED_BY: Final = 20  # settled requests of a call that one `ask` skips


@dataclass(frozen=True)
class ToolCall:
    """A call as a program describes it. `mask` are the paths of arguments that nobody may see.

    `accepts_edits` says that the program makes the call with the arguments that its claim returns. Calls of one `run`
    of the agent that wait at the same time are shown on one card.
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
    run: str = ""


@dataclass(frozen=True)
class ClaimedArguments:
    """The call that may be made now, as it was approved. `changes` are the differences from what was asked."""

    call: HeldCall
    changes: Sequence[EditedValue]


@dataclass(frozen=True)
class MadeCall:
    """What is known of a claimed call, and the time of its result, or else of its claim.

    `ran` is None if nobody can tell whether the call was made, and False if it certainly was not. `result` is None if
    there is none or it is not kept.
    """

    at: datetime | None
    ran: bool | None = None
    result: Mapping[str, Any] | None = None


class HeldCalls:
    """Asks about calls, and claims approved ones. Each method may raise `HubUnavailableError`.

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
        self._results = CallResults(client, keyed)

    async def ask(self, call: ToolCall, actor: Actor, *, resume: bool = False) -> tuple[Progress, str]:
        """The request that this very call waits for, and the digest of its arguments: an open one, or a new one.

        A new request that fits a standing grant is approved by it, without asking anybody. An unused approval counts
        within the window, and so does a rejection. A grant's approval counts while the grant is in force. After the
        window, and after every other end, people are asked again. `resume` is for a caller that may have lost the
        answer: it also finds a used approval, for the window after its use or its result, unless people were asked
        since. Raises what `ApprovalService.start` does.
        """
        request, policy = self._request(call, actor), self._approvals.book().policies.get(call.policy)
        together = self._together(call, actor, policy) if policy is not None else None
        held = _call_of(request)
        state = await self._state(held.key)
        number = state.number
        if resume and state.last_claim is not None:
            used = await self._used(state.last_claim, _numbered(request, number), held.window)
            if used is not None:
                return used, held.arguments_digest
        for _ in range(PASSED_BY):
            progress = await self._approvals.status(
                await self._approvals.start_call(_numbered(request, number), together)
            )
            if not progress.status.ended or await self._answers(progress, held.window):
                return progress, held.arguments_digest
            number = (await self._run(held.key, "pass_by", number, number)).number
        raise HubSilentError

    async def claim(self, request_id: str, actor: Actor, attempt: str) -> ClaimedArguments:
        """Uses up the approval, for this attempt to make the call now. The same attempt may claim again.

        The call may be made as it was approved, with the approvers' changes.

        Raises `UnknownRequestError`, `ForeignCallError` where somebody else asked, and `UnusableApprovalError` where
        it is not approved, too old, or used by another attempt.
        """
        call, progress = await self._asked(request_id, actor)
        if not progress.status.is_yes:
            ended = f"It is {progress.status}" if progress.status.ended else "It is not decided yet"
            raise UnusableApprovalError(f"{ended}, so the call must not be made.")
        if self._is_ahead(progress):
            raise UnusableApprovalError(
                "The approval was given at a time that lies ahead of this server's clock, so nobody can tell how old "
                "it is. Please tell its operator."
            )
        if not self._counts(progress, call.window):
            raise UnusableApprovalError(
                "The approval is too old by now. Make the same call again to ask anew."
            )
        if not await self._granted(progress):
            raise UnusableApprovalError(
                "The standing grant that approved it has ended. Make the same call again to ask anew."
            )
        claim = Claim(
            number=call.number, request_id=request_id, nonce=progress.nonce, attempt=attempt, at=self._now()
        )
        state = await self._run(call.key, "claim", claim.model_dump(mode="json"), call.number)
        if not claim.same(state.claim_on(call.number)):
            raise UnusableApprovalError(
                "The approval was used before, and each is for one call. Make the same call again to ask anew."
            )
        return ClaimedArguments(call, between(progress.edits))

    async def keep_result(
        self,
        request_id: str,
        actor: Actor,
        attempt: str,
        result: Mapping[str, Any] | None,
        *,
        made: bool = True,
    ) -> None:
        """Keeps the result of the call, for `made`. The first result counts.

        None says that it is too large, and `made=False` that the call was not made, so that people are asked again.

        Raises `UnknownRequestError`, `ForeignCallError`, and `UnusableApprovalError` if this attempt did not claim it.
        """
        claim = await self._claim_of(request_id, actor)
        if claim is None or claim.attempt != attempt:
            raise UnusableApprovalError("This attempt did not claim the call, so it has no result of it.")
        await self._results.keep(claim, result, self._now(), made=made)

    async def made(self, request_id: str, actor: Actor) -> MadeCall | None:
        """What is known of the claimed call; None if nobody claimed it.

        If the same call had many later approvals, the claim of an old one may not be known. Raises
        `UnknownRequestError`, and `ForeignCallError` where somebody else asked.
        """
        call, progress = await self._asked(request_id, actor)
        state = await self._state(call.key)
        claim = self._claim_in(state, call, request_id, progress)
        if claim is None:
            return MadeCall(None) if progress.status.is_yes and state.forgot(call.number) else None
        found = await self._results.found(claim)
        if found is None:
            return MadeCall(claim.at)
        kept, result = found
        return MadeCall(kept.at, ran=kept.made, result=result)

    async def _asked(self, request_id: str, actor: Actor) -> tuple[HeldCall, Progress]:
        """The call, if this actor asked for it. Raises `UnknownRequestError` or `ForeignCallError`."""
        view = await self._approvals.view(request_id)
        request, progress = view.request, view.progress
        if request.call is None or progress.asked_without_seal:
            raise UnknownRequestError("There is no held call with that ID.")
        if (request.requester, request.asked_with) != (actor.id, actor.token):
            raise ForeignCallError
        return request.call, progress

    async def _claim_of(self, request_id: str, actor: Actor) -> Claim | None:
        call, progress = await self._asked(request_id, actor)
        return self._claim_in(await self._state(call.key), call, request_id, progress)

    @staticmethod
    def _claim_in(state: HeldCallState, call: HeldCall, request_id: str, progress: Progress) -> Claim | None:
        claim = state.claim_on(call.number)
        # After a purge the same ID may be another start of the request.
        is_this = claim is not None and (claim.request_id, claim.nonce) == (request_id, progress.nonce)
        return claim if is_this else None

    async def _used(self, claim: Claim, following: ApprovalRequest, window: timedelta) -> Progress | None:
        """The request that the claim used up, if it still answers the call and nobody was asked since."""
        if await self._approvals.started(following) is not None:
            return None
        try:
            progress = await self._approvals.status(claim.request_id)
        except UnknownRequestError:
            return None
        found = await self._results.found(claim)
        at = claim.at if found is None else found[0].at
        if (
            at is None
            or (found is not None and not found[0].made)
            or progress.nonce != claim.nonce
            or self._now() - at > window
        ):
            return None
        return progress

    async def _answers(self, progress: Progress, window: timedelta) -> bool:
        return self._counts(progress, window) and await self._granted(progress)

    async def _granted(self, progress: Progress) -> bool:
        """Whether the grant that approved it is still in force; true if people decided it themselves."""
        use = progress.outcome.grant if progress.outcome else None
        return use is None or await grant_stands(self._client, use.grant, self._now())

    def _together(self, call: ToolCall, actor: Actor, policy: Policy) -> CallsTogether:
        return CallsTogether(
            policy.digest(), self._pattern(call, actor, policy), self._run_key(call, actor, policy)
        )

    def _run_key(self, call: ToolCall, actor: Actor, policy: Policy) -> str:
        """The key of the run whose waiting calls share a card; empty if the call gets its own card.

        It gets its own without a run, or if an approval needs a code, which confirms one request. A change of the
        policy starts a new card: the policy may have a new channel, which other people read.
        """
        if not call.run or policy.confirms:
            return ""
        about = {
            "run": call.run,
            "agent": call.agent,
            "policy": call.policy,
            "policy_digest": policy.digest(),
        }
        return self._keyed_hex(to_json({**about, "requester": actor.id, "asked_with": actor.token}))[:40]

    def _pattern(self, call: ToolCall, actor: Actor, policy: Policy) -> GrantPattern | None:
        """The pattern of the grants that may approve the call; None if its policy allows no grants.

        The pattern is under the server's secret. It binds the policy as it is written, whose token asks, the agent, the
        server, the tool, the place, and every argument but those that may vary. A masked argument may never vary:
        nobody would see it.
        """
        allowed = policy.grants.of_tool(call.tool) if policy.grants is not None else None
        if allowed is None:
            return None
        shown, bound = args.masked(call.arguments, call.mask, self._keyed_hex)
        shown = json.loads(args.canonical(shown))
        # A masked value differs between what is shown and what is bound, so no path to it is found in both.
        fixed, varied = apart(bound, [path for path, _ in apart(shown, allowed.paths)[1]])
        about = {
            "grants of": policy.key,
            "policy_digest": policy.digest(),
            "requester": actor.id,
            "asked_with": actor.token,
            "agent": call.agent,
            "server": call.server,
            "tool": call.tool,
            "directory": call.directory,
            "window": call.window.total_seconds(),
            "fixed": args.canonical(fixed).decode(),
            "varied": varied,
        }
        seen, _ = apart(shown, [path for path, _ in varied])
        return GrantPattern(
            key=self._keyed_hex(to_json(about)),
            fixed=args.written_out(seen) if seen else "",
            vary=[f"{args.visible(path)}: {kind}" for path, kind in varied],
        )

    def _request(self, call: ToolCall, actor: Actor) -> ApprovalRequest:
        """The request to people, with the key of the call but without a number yet. Raises `InvalidRequestError`."""
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
        # Invisible characters are written out for people, so one place could read like another.
        about = {
            "request": draft.model_dump(mode="json"),
            "call": facts.model_dump(mode="json"),
            "directory": call.directory,
        }
        # The key does not cover the schema: a caller that makes the call again may not have it.
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
        """Whether this end still answers the call. A time too far in the future counts as expired."""
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
        """The state once that number is settled. Raises `HubSilentError` if that takes too long."""
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


def _numbered(request: ApprovalRequest, number: int) -> ApprovalRequest:
    """The request for the call after so many were settled. The space keeps its key distinct from callers' keys."""
    held = _call_of(request)
    once = {
        "call": held.model_copy(update={"number": number}),
        "idempotency_key": f"call {held.key} {number}",
    }
    return request.model_copy(update=once)


def _call_of(request: ApprovalRequest) -> HeldCall:
    if request.call is None:
        raise AssertionError("it was made with a call")
    return request.call
