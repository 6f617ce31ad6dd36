"""/api/approvals: ask, read, wait, decide, withdraw, comment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from bot.http.api.approval_access import ApprovalAccess
from bot.http.api.approval_models import Approval, ApprovalPage, AskedFacts
from bot.http.api.commands import KEY_HEADER, command_id_of, idempotency_key
from bot.http.api.endpoint import DECIDE_ANY, ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.long_polling import is_final
from bot.http.api.models import (
    ApprovalListQuery,
    ApprovalQuery,
    CommandResult,
    NewApproval,
    NewCancellation,
    NewDecision,
    NewRemark,
    Started,
)
from bot.http.api.problems import Problem
from bot.http.api.timeline import Timeline, timeline_entries
from bot.http.api.urls import Urls
from bot.security.tokens import ADMIN, READ, REQUEST
from orchestration.domain.commands import Verdict
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.request import Identity
from orchestration.service.approvals import ApprovalService
from orchestration.service.operations import Operations, Wanted
from orchestration.service.wrong_codes import wrong_codes

POLL_AFTER: Final = "2"  # seconds, where a client cannot hold a long poll

_LOOKERS: Final = frozenset({READ, ADMIN, REQUEST, DECIDE_ANY})


class ApprovalRoutes:
    """The endpoints, over the service."""

    def __init__(
        self,
        service: ApprovalService,
        operations: Operations,
        access: ApprovalAccess,
        urls: Urls,
    ) -> None:
        self._service = service
        self._operations = operations
        self._access = access
        self._urls = urls

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        one = "/api/approvals/{id}"
        verdicts = {
            200: ResponseSpec("The command took effect", CommandResult),
            202: ResponseSpec("On disk, not yet handled", CommandResult),
        }
        refusals = ("not-found", "conflict", "unavailable")
        return [
            Endpoint(
                "POST",
                "/api/approvals",
                self.ask,
                "Ask for an approval",
                frozenset({REQUEST}),
                {202: ResponseSpec("It is on disk", Started, ("Location", "Retry-After"))},
                ("key-reused", "too-many-open"),
                body=NewApproval,
                headers=(KEY_HEADER,),
            ),
            Endpoint(
                "GET",
                "/api/approvals",
                self.list,
                "List approvals, oldest first; a token with only `request` sees its owner's own",
                frozenset({READ, ADMIN, REQUEST}),
                {200: ResponseSpec("A page", ApprovalPage)},
                query=ApprovalListQuery,
            ),
            Endpoint(
                "GET",
                one,
                self.show,
                "Where an approval stands; `wait` holds the answer until it is decided",
                _LOOKERS,
                {
                    200: ResponseSpec("It has ended", Approval),
                    202: ResponseSpec("It is under way", Approval, ("Location", "Retry-After")),
                },
                ("not-found",),
                query=ApprovalQuery,
            ),
            Endpoint(
                "GET",
                f"{one}/asked",
                self.asked,
                "What is asked, with every edit: what a decision is about",
                _LOOKERS,
                {200: ResponseSpec("All of it", AskedFacts)},
                ("not-found",),
            ),
            Endpoint(
                "GET",
                f"{one}/timeline",
                self.timeline,
                "Every step, from the durable history",
                _LOOKERS,
                {200: ResponseSpec("The steps on record", Timeline)},
                ("not-found",),
            ),
            Endpoint(
                "POST",
                f"{one}/decision",
                self.decide,
                "Approve or reject, as the token's owner",
                frozenset({DECIDE_ANY}),
                verdicts,
                refusals,
                body=NewDecision,
                headers=(KEY_HEADER,),
            ),
            Endpoint(
                "POST",
                f"{one}/cancel",
                self.cancel,
                "Withdraw, as the one who asked",
                frozenset({REQUEST}),
                verdicts,
                refusals,
                body=NewCancellation,
                body_optional=True,
                headers=(KEY_HEADER,),
            ),
            Endpoint(
                "POST",
                f"{one}/comment",
                self.comment,
                "Say, ask or answer something",
                frozenset({REQUEST, DECIDE_ANY}),
                verdicts,
                refusals,
                body=NewRemark,
                headers=(KEY_HEADER,),
            ),
        ]

    # ---- asking and looking ------------------------------------------------------------------------------

    async def ask(self, call: ApiCall) -> web.Response:
        """Starts it, once for each Idempotency-Key."""
        ask = await call.body(NewApproval)
        request_id = await self._access.ask(call.token, ask, idempotency_key(call))
        headers = {"Location": self._urls.approval(request_id), "Retry-After": POLL_AFTER}
        started = self._urls.started(call, request_id, may_act=call.token.may(ADMIN))
        return json_response(started, 202, headers)

    async def show(self, call: ApiCall) -> web.Response:
        """Shows the approval. With `wait`, first waits until it is decided."""
        wait = call.query(ApprovalQuery).wait
        request_id = await self._access.visible(call.token, call.part("id"))
        progress = await self._access.long_polling.wait_until_final(
            request_id, wait.total_seconds() if wait else 0
        )
        if is_final(progress):
            return json_response(await self._access.shown(progress))
        headers = {"Location": self._urls.approval(request_id), "Retry-After": POLL_AFTER}
        return json_response(await self._access.shown(progress), 202, headers)

    async def asked(self, call: ApiCall) -> web.Response:
        """Returns what is asked, for those who decide it."""
        request_id = await self._access.visible(call.token, call.part("id"))
        return json_response(AskedFacts.of(await self._service.view(request_id)))

    async def timeline(self, call: ApiCall) -> web.Response:
        """Every step. For an approval that was stopped, also what `reconcile` did.

        Group members are shown only to tokens that see all requests. Others could use this to look up any group that a
        policy names.
        """
        request_id = await self._access.visible(call.token, call.part("id"))
        progress = await self._service.status(request_id)
        events = await self._operations.whole_history(progress)
        wrong = await wrong_codes(self._operations, events)
        items = timeline_entries(events, progress.verdicts, wrong, memberships=call.token.sees_all)
        return json_response(Timeline(id=request_id, items=items))

    async def list(self, call: ApiCall) -> web.Response:
        """Returns one page. A token that may only ask sees only what its owner asked."""
        page = call.query(ApprovalListQuery)
        token = call.token
        requester = page.requester
        if not token.sees_all:
            if requester not in {None, token.owner}:
                raise Problem("forbidden", "This token sees only what its owner asked.")
            requester = token.owner
        wanted = Wanted(
            status=frozenset({page.status} if page.status else ()),
            policy=page.policy,
            requester=requester,
            since=_aware(page.since),
            until=_aware(page.until),
        )
        found, following = await self._operations.page(wanted, limit=page.limit, token=page.after)
        items = list(await asyncio.gather(*map(self._access.shown, found)))
        return json_response(ApprovalPage(items=items, next=following))

    # ---- commands ----------------------------------------------------------------------------------------

    async def decide(self, call: ApiCall) -> web.Response:
        """Records the token owner's decision on what they were shown: for the named round, else for the open one."""
        given = await call.body(NewDecision)
        progress = await self._access.look(call.instance_id())
        if progress.policy not in call.token.policies:
            raise Problem("forbidden", f"This token lacks the scope decide:{progress.policy}.")
        try:
            ticket = await self._service.decide(
                progress.request_id,
                call.actor,
                given.choice,
                shown=Identity(nonce=given.nonce, digest=given.digest),
                round=given.round or max(progress.round, 1),
                round_named=given.round is not None,
                comment=given.comment,
                edits=given.edits,
                command_id=command_id_of(call),
            )
        except InvalidRequestError as error:
            place = f"edits.{error.field}" if error.field in given.edits else error.field
            raise Problem("invalid", errors=[(place or "body", str(error))]) from error
        return await self._answered(progress.request_id, await self._access.settled(ticket))

    async def cancel(self, call: ApiCall) -> web.Response:
        """Withdraws it."""
        given = await call.body(NewCancellation, optional=True)
        request_id = call.instance_id()
        verdict = await self._access.cancel(call.token, request_id, given.reason, command_id_of(call))
        return await self._answered(request_id, verdict)

    async def comment(self, call: ApiCall) -> web.Response:
        """Adds a remark."""
        given = await call.body(NewRemark)
        request_id = await self._access.visible(call.token, call.part("id"))
        ticket = await self._service.comment(
            request_id, call.actor, given.kind, given.text, command_id=command_id_of(call)
        )
        return await self._answered(request_id, await self._access.settled(ticket))

    async def _answered(self, request_id: str, verdict: Verdict) -> web.Response:
        result = CommandResult.of(verdict, await self._access.card_url(request_id))
        return json_response(result, 200 if verdict.accepted else 202)


def _aware(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time
