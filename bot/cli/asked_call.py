"""Asks people about a tool call over HTTP, waits for a bounded time, and claims the approved call.

People may approve the call with changes of theirs. Then only the changed call may be made.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from bot.cli.api_client import ApiClient, ApiReply, CallRefusedError, UnreachableError, approval_path
from bot.cli.summary import YES, ending
from bot.gate.approved_arguments import OTHER_CALL, approved_arguments
from orchestration.domain.errors import CountersignError

HOLD: Final = 30  # seconds; the length of one long poll
PAUSE: Final = 0.5  # seconds between two tries while the server is away
# Seconds to reach the server for the first time. If the agent cannot ask, it learns so soon.
PATIENCE: Final = 5.0


@dataclass(frozen=True)
class CallAnswer:
    """Whether the call may be made now, once, and the reason as a sentence.

    `waiting` says that people are still being asked. `comment` is the text of the person who decided. `arguments`
    are the arguments to make the call with, set where they differ from the ones in the question.
    """

    allowed: bool
    reason: str
    request_id: str
    waiting: bool = False
    comment: str = ""
    arguments: dict[str, Any] | None = None


async def ask_people(
    environment: Mapping[str, str], call: Mapping[str, Any], *, seconds: float | None, claim: bool = True
) -> CallAnswer:
    """Asks people about the call and returns their answer, or a `waiting` answer after `seconds` (None: no limit).

    A repeat of the same call joins the request that is open. With `claim`, the call is allowed only if its approval
    was claimed for this attempt. Without `claim`, the answer is the people's decision, and nobody may make the call
    yet.
    Raises `CountersignError` where nobody could be asked.
    """
    asking = _CallAsking(call, claim=claim)
    try:
        async with ApiClient(environment) as api, asyncio.timeout(seconds):
            return await asking.run(api)
    except TimeoutError:
        if asking.request_id is None:
            raise CountersignError("Nobody could be asked in time, so the call is refused.") from None
        if asking.claiming:
            raise CountersignError(
                f"{asking.request_id} was approved, but it cannot be told whether the approval was used for this call."
            ) from None
    return CallAnswer(
        allowed=False,
        reason=f"People are still asked: {asking.request_id}. This call was not made. Make the very same call again "
        "to go on waiting for their answer, or do something else meanwhile.",
        request_id=asking.request_id,
        waiting=True,
    )


class _CallAsking:
    def __init__(self, call: Mapping[str, Any], *, claim: bool) -> None:
        self.request_id: str | None = None
        self.claiming = False
        self._call = call
        self._claims = claim
        # New for each run of a client: two runs are two attempts, and only one of them may make the call.
        self._attempt = secrets.token_urlsafe(24)

    async def run(self, api: ApiClient) -> CallAnswer:
        asked = (await self._reached(api, "POST", "/api/calls", dict(self._call), patience=PATIENCE)).body
        request_id = self.request_id = str(asked["id"])
        path = approval_path(request_id)
        while True:
            found = await self._reached(api, "GET", path, query={"wait": f"{HOLD}s"}, wait=HOLD)
            if found.status == HTTPStatus.OK:
                break
        allowed = found.body["status"] in YES
        answer = CallAnswer(
            allowed=allowed,
            reason=ending(found.body) if allowed else f"The call is refused: {ending(found.body)}",
            request_id=request_id,
            comment=(found.body["outcome"] or {}).get("comments") or "",
        )
        if allowed and self._claims:
            return await self._claim(api, answer, asked["arguments_digest"])
        return answer

    async def _claim(self, api: ApiClient, answer: CallAnswer, digest: str) -> CallAnswer:
        self.claiming = True
        path = f"/api/calls/{quote(answer.request_id, safe='')}/claim"
        try:
            claimed = await self._reached(api, "POST", path, {"attempt": self._attempt})
        except CallRefusedError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return replace(answer, allowed=False, reason=str(error))
        if claimed.body.get("attempt") != self._attempt:
            raise CountersignError(OTHER_CALL)
        changed = approved_arguments(self._call, claimed.body)
        if changed is None and claimed.body.get("arguments_digest") != digest:
            raise CountersignError(OTHER_CALL)
        return replace(answer, arguments=changed)

    async def _reached(
        self,
        api: ApiClient,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Mapping[str, str] | None = None,
        wait: float = 0,
        patience: float | None = None,
    ) -> ApiReply:
        """Makes one call. Repeats it while the server is away: for `patience` seconds, or until the time is over."""
        clock = asyncio.get_running_loop()
        until = None if patience is None else clock.time() + patience
        while True:
            try:
                return await api.call(method, path, body, query=query, wait=wait)
            except UnreachableError as error:
                if until is not None and clock.time() >= until:
                    raise
                await asyncio.sleep(max(PAUSE, min(error.retry_after, HOLD)))
