"""The approvals of a token, reached in the process that serves them: what /mcp uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bot.http.api.approval_access import ApprovalAccess
from bot.http.api.long_polling import is_final
from bot.http.api.models import NewApproval
from bot.http.api.policies import PolicyView
from bot.http.api.problems import Problem, problem_of
from bot.http.api.rate_limit import RateLimiter
from bot.mcp.serve.models import AskArguments
from bot.mcp.serve.port import Looked, NotDoneError
from bot.security.tokens import Token, TokenFile
from orchestration.domain.errors import CountersignError


class TokenApprovals:
    """See `AgentApprovals`. The call that made this object has been counted against the token's rate.

    A token over its rate cannot wait, so its rate limits how many of its calls are held.
    """

    def __init__(self, access: ApprovalAccess, token: Token, tokens: TokenFile, rates: RateLimiter) -> None:
        self._access = access
        self._token = token
        self._tokens = tokens
        self._rates = rates
        self._waited = False

    async def ask(self, asked: AskArguments) -> str:
        """As `POST /api/approvals` does."""
        with _in_words():
            new = NewApproval(**asked.model_dump(exclude={"idempotency_key"}))
            return await self._access.ask(self._token, new, asked.idempotency_key)

    async def look(self, request_id: str) -> Looked:
        """As `GET /api/approvals/{id}` does."""
        return await self._looked(request_id, 0)

    async def wait(self, request_id: str, seconds: float) -> Looked:
        """As a long poll does. Each wait after the first counts as a call, and the token must still be valid."""
        with _in_words():
            if self._waited:
                if self._tokens.named(self._token.name) is None:
                    raise Problem("unauthenticated", "This token was revoked.")
                self._rates.admit(self._token)
        self._waited = True
        return await self._looked(request_id, seconds)

    async def withdraw(self, request_id: str, reason: str) -> None:
        """As `POST /api/approvals/{id}/cancel` does."""
        with _in_words():
            await self._access.cancel(self._token, request_id, reason, None)

    async def policies(self) -> list[dict[str, Any]]:
        """As `GET /api/policies` does."""
        with _in_words():
            return [PolicyView.of(policy).model_dump(mode="json") for policy in self._access.policies()]

    async def _looked(self, given: str, seconds: float) -> Looked:
        with _in_words():
            request_id = await self._access.visible(self._token, given)
            progress = await self._access.long_polling.wait_until_final(request_id, seconds)
            shown = await self._access.shown(progress)
        final = is_final(progress)
        return Looked(
            shown.model_dump(mode="json"), final, leaving=not final and self._access.long_polling.closed
        )


@contextmanager
def _in_words() -> Iterator[None]:
    """Turns the API's problems into `NotDoneError`."""
    try:
        yield
    except CountersignError as error:
        raise _not_done(problem_of(error)) from error
    except Problem as problem:
        raise _not_done(problem) from problem


def _not_done(problem: Problem) -> NotDoneError:
    words = problem.line()
    if after := problem.headers.get("Retry-After"):
        words += f" Try again in {after} s."
    return NotDoneError(words, temporary=problem.kind == "unavailable", conflict=problem.kind == "conflict")
