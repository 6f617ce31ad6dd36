"""/api/approvals/{id}/fulfilment: the owner calls off what follows an approval, or has it tried again."""

from __future__ import annotations

from aiohttp import web

from bot.http.api.endpoint import DECIDE_ANY, ApiCall, Endpoint, ResponseSpec
from bot.http.api.fulfilment_models import HookResult, NewFulfilmentCancellation, hook_response
from bot.http.api.problems import Problem
from bot.security.tokens import REQUEST
from orchestration.service.fulfilments import FulfilmentService


class FulfilmentRoutes:
    """The endpoints, over the service."""

    def __init__(self, fulfilments: FulfilmentService) -> None:
        self._fulfilments = fulfilments

    def endpoints(self) -> list[Endpoint]:
        """Both."""
        return [
            Endpoint(
                "POST",
                "/api/approvals/{id}/fulfilment/cancel",
                self.cancel,
                "Call off what follows the approval, as its owner",
                frozenset({REQUEST, DECIDE_ANY}),
                {
                    200: ResponseSpec("It was called off", HookResult),
                    202: ResponseSpec("On disk, not yet handled"),
                },
                ("not-found", "conflict", "gone", "unavailable"),
                body=NewFulfilmentCancellation,
                body_optional=True,
            ),
            Endpoint(
                "POST",
                "/api/approvals/{id}/fulfilment/retry",
                self.retry,
                "Have the actions of a state tried again that failed, as its owner",
                frozenset({REQUEST, DECIDE_ANY}),
                {
                    200: ResponseSpec("They are tried again", HookResult),
                    202: ResponseSpec("On disk, not yet handled"),
                },
                ("not-found", "conflict", "gone", "unavailable"),
            ),
        ]

    async def cancel(self, call: ApiCall) -> web.Response:
        """Cancels the fulfilment if its state allows it. The orchestration checks who may do so."""
        given = await call.body(NewFulfilmentCancellation, optional=True)
        await self._check_scope(call)
        verdict = await self._fulfilments.cancel(call.instance_id(), call.actor, given.reason)
        return hook_response(verdict)

    async def retry(self, call: ApiCall) -> web.Response:
        """Retries the failed actions of the current state. The orchestration checks who may do so."""
        await self._check_scope(call)
        return hook_response(await self._fulfilments.retry(call.instance_id(), call.actor))

    async def _check_scope(self, call: ApiCall) -> None:
        """Raises `Problem` if the token may only decide and its scopes do not name the policy, whoever owns it."""
        if not call.token.may(REQUEST):
            policy = await self._fulfilments.policy(call.instance_id())
            if policy not in call.token.policies:
                raise Problem("forbidden", f"This token lacks the scope decide:{policy}.")
