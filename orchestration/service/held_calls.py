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

from orchestration.domain import arguments as args
from orchestration.domain.commands import Progress
from orchestration.domain.errors import (
    ForeignCallError,
    HubSilentError,
    UnknownRequestError,
    UnusableApprovalError,
)
from orchestration.domain.grants import GrantPattern, apart
from orchestration.domain.held_call import CallFacts, HeldCall
from orchestration.domain.request import HELD_CALL, ApprovalRequest, Status, to_json
from orchestration.held_calls.claims import Claim, HeldCallState
from orchestration.service.approvals import Actor, ApprovalService
from orchestration.service.calls import FIRST_LOOK, SLOWEST_LOOK, translated, within_budget
from orchestration.service.grant_starts import grant_stands
from orchestration.service.request_ids import KeyedDigests

TITLE: Final = 150  # characters
NAMED: Final = 40  # characters of it for the agent, and for the tool
DEFAULT_WINDOW: Final = timedelta(minutes=10)
# How far the clock that stamped an outcome may be ahead of the one that reads it.
SKEW: Final = timedelta(minutes=1)
ANSWERED_WITHIN: Final = 10.0  # seconds for the hub to run an operation
PASSED_BY: Final = 20  # settled requests of a call that one `ask` goes past


@dataclass(frozen=True)
class ToolCall:
    """A call as a program describes it. `mask` are paths into the arguments that nobody is to see.

    Calls of one `run` of the agent that wait at the same time are shown on one card.
    """

    policy: str
    agent: str
    tool: str
    arguments: Mapping[str, Any]
    server: str = ""
    directory: str = ""
    mask: Sequence[str] = ()
    window: timedelta = field(default=DEFAULT_WINDOW)
    run: str = ""


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

        A new one that fits a standing grant is approved by it, without asking anybody. One that was approved and not
        used counts within the window, and so does a rejection; what a grant approved counts while that stands. After
        the window, and after every other end, people are asked anew. Raises what `ApprovalService.start` does.
        """
        request, pattern = self._request(call, actor), self._pattern(call, actor)
        run = self._run_key(call, actor)
        held = _call_of(request)
        number = (await self._state(held.key)).number
        for _ in range(PASSED_BY):
            this = held.model_copy(update={"number": number})
            # The space keeps it apart from every key that a caller may choose.
            once = {"call": this, "idempotency_key": f"call {held.key} {number}"}
            progress = await self._approvals.status(
                await self._approvals.start_call(request.model_copy(update=once), pattern, run)
            )
            if not progress.status.ended or await self._answers(progress, held.window):
                return progress, held.arguments_digest
            number = (await self._run(held.key, "pass_by", number, number)).number
        raise HubSilentError

    async def claim(self, request_id: str, actor: Actor, attempt: str) -> HeldCall:
        """Uses the approval up, for this attempt to make the call now. The same attempt may repeat it.

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
        if not await self._granted(progress):
            raise UnusableApprovalError(
                "The standing grant that approved it has ended. Make the same call again to ask anew."
            )
        number = request.call.number
        claim = Claim(number=number, request_id=request_id, nonce=progress.nonce, attempt=attempt)
        state = await self._run(request.call.key, "claim", claim.model_dump(mode="json"), number)
        if state.claim_on(number) != claim:
            raise UnusableApprovalError(
                "The approval was used before, and each is for one call. Make the same call again to ask anew."
            )
        return request.call

    async def _answers(self, progress: Progress, window: timedelta) -> bool:
        return self._counts(progress, window) and await self._granted(progress)

    async def _granted(self, progress: Progress) -> bool:
        """Whether the grant still stands by which it was approved; true of what people decided themselves."""
        use = progress.outcome.grant if progress.outcome else None
        return use is None or await grant_stands(self._client, use.grant, self._now())

    def _run_key(self, call: ToolCall, actor: Actor) -> str:
        """Whose waiting calls are shown together; empty where the call gets a card of its own.

        That is so without a run, and where an approval needs a code, which confirms one request.
        """
        policy = self._approvals.book().policies.get(call.policy)
        if not call.run or policy is None or policy.confirms:
            return ""
        about = {"run": call.run, "agent": call.agent, "policy": call.policy}
        return self._keyed_hex(to_json({**about, "requester": actor.id, "asked_with": actor.token}))[:40]

    def _pattern(self, call: ToolCall, actor: Actor) -> GrantPattern | None:
        """Which grants may approve the call; None where its policy lets nobody give any.

        The pattern is under the server's secret. It binds the policy as it is written, whose token asks, the agent, the
        server, the tool, the place, and every argument but those that may vary. What is masked never varies: nobody
        would see it.
        """
        policy = self._approvals.book().policies.get(call.policy)
        allowed = (
            policy.grants.of_tool(call.tool) if policy is not None and policy.grants is not None else None
        )
        if policy is None or allowed is None:
            return None
        shown, bound = args.masked(call.arguments, call.mask, self._keyed_hex)
        shown = json.loads(args.canonical(shown))
        # What is masked is a text where it is shown, and something else where it is bound: it is no such path in both.
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
        """What people are asked, with the key of the call and not yet a number. Raises `InvalidRequestError`."""
        args.canonical(call.arguments)
        shown, bound = args.masked(call.arguments, call.mask, self._keyed_hex)
        # From the canonical form, so that the same call reads the same however it was written.
        shown = json.loads(args.canonical(shown))
        facts = CallFacts(
            agent=call.agent,
            server=call.server,
            tool=call.tool,
            directory=args.visible(call.directory).replace("\n", "\\n"),
            arguments_digest=args.digest(bound),
        )
        draft = ApprovalRequest(
            policy=call.policy,
            title=_title(call, shown),
            description=args.written_out(shown),
            requester=actor.id,
            asked_with=actor.token,
        )
        about = {"request": draft.model_dump(mode="json"), "call": facts.model_dump(mode="json")}
        key = self._keyed_hex(to_json({**about, "window": call.window.total_seconds()}))
        return draft.model_copy(
            update={"call": HeldCall(**facts.model_dump(), key=key, number=0, window=call.window)}
        )

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


def _title(call: ToolCall, shown: Mapping[str, Any]) -> str:
    # What a tool does stands at the end of its name: mcp__server__action.
    agent = call.agent if len(call.agent) <= NAMED else f"{call.agent[: NAMED - 1]}…"
    tool = call.tool if len(call.tool) <= NAMED else f"…{call.tool[1 - NAMED :]}"
    who = f"{agent} calls {tool}"
    about = args.gist(shown, TITLE - len(who) - 2)
    return f"{who}: {about}" if about else who


def _call_of(request: ApprovalRequest) -> HeldCall:
    if request.call is None:
        raise AssertionError("it was made with a call")
    return request.call
