"""/api/gatherings: ask several people and systems at once, read, wait, answer, withdraw."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from bot.http.api.approval_models import CardUrl
from bot.http.api.commands import KEY_HEADER, command_id_of, idempotency_key, kind_of_refusal
from bot.http.api.endpoint import DECIDE_ANY, ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.gathering_models import (
    GatheringCommandResult,
    GatheringQuery,
    GatheringShown,
    NewAnswer,
    NewGathering,
    NewWithdrawal,
    StartedGathering,
)
from bot.http.api.long_polling import LongPolling
from bot.http.api.problems import Problem
from bot.http.api.responding import admitted_receiver, check_notified
from bot.http.api.urls import Urls
from bot.security.answer_addresses import AnswerAddresses
from bot.security.tokens import ADMIN, READ, REQUEST
from orchestration.domain.commands import Reason
from orchestration.domain.gathering import AnswerWay, GatheringProgress, GatheringRequest
from orchestration.gathering.record import CARD
from orchestration.gathering.status import STOPPED_BECAUSE
from orchestration.service.gatherings import GatheringService
from orchestration.service.operations import Operations
from orchestration.service.tickets import Ticket

POLL_AFTER: Final = "2"  # seconds, where a client cannot hold a long poll
TAG: Final = "Gatherings"

_LOOKERS: Final = frozenset({READ, ADMIN, REQUEST, DECIDE_ANY})


def is_final_gathering(progress: GatheringProgress) -> bool:
    """Whether a long poll may end: the gathering has a recorded result, or was cut short."""
    on_record = progress.result is not None and not progress.record_pending
    return on_record or progress.status in STOPPED_BECAUSE


class GatheringRoutes:
    """The endpoints, over the service."""

    def __init__(
        self,
        service: GatheringService,
        operations: Operations,
        urls: Urls,
        addresses: AnswerAddresses,
        card_url: CardUrl,
    ) -> None:
        self._service = service
        self._operations = operations
        self._urls = urls
        self._addresses = addresses
        self._card_url = card_url
        self.long_polling = LongPolling(self._look, is_final_gathering)

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        one = "/api/gatherings/{id}"
        verdicts = {
            200: ResponseSpec("The command took effect", GatheringCommandResult),
            202: ResponseSpec("On disk, not yet handled", GatheringCommandResult),
        }
        refusals = ("not-found", "conflict", "unavailable")
        return [
            Endpoint(
                "POST",
                "/api/gatherings",
                self.ask,
                "Ask several people and systems at once",
                frozenset({REQUEST}),
                {202: ResponseSpec("It is on disk", StartedGathering, ("Location", "Retry-After"))},
                ("key-reused", "too-many-open"),
                body=NewGathering,
                headers=(KEY_HEADER,),
                tag=TAG,
            ),
            Endpoint(
                "GET",
                one,
                self.show,
                "Where a gathering stands; `wait` holds the answer until it has ended",
                _LOOKERS,
                {
                    200: ResponseSpec("It has ended", GatheringShown),
                    202: ResponseSpec("It is under way", GatheringShown, ("Location", "Retry-After")),
                },
                ("not-found",),
                query=GatheringQuery,
                tag=TAG,
            ),
            Endpoint(
                "POST",
                f"{one}/answer",
                self.answer,
                "Answer for a source, as the token's owner; again to correct it",
                frozenset({DECIDE_ANY}),
                verdicts,
                refusals,
                body=NewAnswer,
                headers=(KEY_HEADER,),
                tag=TAG,
            ),
            Endpoint(
                "POST",
                f"{one}/withdraw",
                self.withdraw,
                "End it without waiting for more answers, as the one who asked",
                frozenset({REQUEST}),
                verdicts,
                refusals,
                body=NewWithdrawal,
                body_optional=True,
                headers=(KEY_HEADER,),
                tag=TAG,
            ),
        ]

    async def ask(self, call: ApiCall) -> web.Response:
        """Starts a gathering, once for each Idempotency-Key."""
        ask = await call.body(NewGathering)
        if ask.notify_instance is not None:
            await check_notified(call.token, ask.notify_instance, self._operations)
        responds_to, responds_since = None, None
        if ask.respond is not None:
            responds_to, responds_since = await admitted_receiver(call.token, ask.respond, self._operations)
        request = GatheringRequest(
            **ask.model_dump(),
            responds_to=responds_to,
            responds_since=responds_since,
            requester=call.token.owner,
            asked_with=call.token.name,
            idempotency_key=idempotency_key(call),
        )
        request_id = await self._service.start(request)
        read = await self._service.read(request_id)
        answer_uris = {
            name: self._addresses.make(request_id, source.event, read.progress.nonce)
            for name, source in read.policy.sources.items()
            if source.event is not None and source.post is None
        }
        status_uri = self._urls.gathering(request_id)
        started = StartedGathering(id=request_id, status_uri=status_uri, answer_uris=answer_uris)
        return json_response(started, 202, {"Location": status_uri, "Retry-After": POLL_AFTER})

    async def show(self, call: ApiCall) -> web.Response:
        """Shows the gathering. With `wait`, first waits until it has ended."""
        wait = call.query(GatheringQuery).wait
        request_id = await self._visible(call)
        progress = await self.long_polling.wait_until_final(request_id, wait.total_seconds() if wait else 0)
        shown = GatheringShown.of_progress(
            progress, self._card_url([post.ref for post in progress.posts if post.message_id == CARD])
        )
        if is_final_gathering(progress):
            return json_response(shown)
        headers = {"Location": self._urls.gathering(request_id), "Retry-After": POLL_AFTER}
        return json_response(shown, 202, headers)

    async def answer(self, call: ApiCall) -> web.Response:
        """Records the token owner's answer for a source that they are asked for."""
        given = await call.body(NewAnswer)
        request_id = call.instance_id()
        progress = await self._service.status(request_id)
        if progress.policy not in call.token.policies:
            raise Problem("forbidden", f"This token lacks the scope decide:{progress.policy}.")
        ticket = await self._service.answer(
            request_id,
            call.actor,
            given.source,
            given.values,
            way=AnswerWay.API,
            nonce=given.nonce,
            command_id=command_id_of(call),
        )
        return await self._answer(ticket)

    async def withdraw(self, call: ApiCall) -> web.Response:
        """Ends the gathering: the requester wants no more answers."""
        given = await call.body(NewWithdrawal, optional=True)
        ticket = await self._service.withdraw(
            call.instance_id(),
            call.actor,
            way=AnswerWay.API,
            reason=given.reason,
            command_id=command_id_of(call),
        )
        return await self._answer(ticket)

    async def _answer(self, ticket: Ticket) -> web.Response:
        verdict = await self._service.verdict(ticket)
        answered = GatheringCommandResult.of_verdict(verdict)
        if verdict.accepted:
            return json_response(answered)
        if verdict.reason is Reason.NO_ANSWER_YET:
            return json_response(answered, 202)
        kind = kind_of_refusal(verdict.reason)
        raise Problem(kind, answered.message, verdict=answered.model_dump(mode="json"))

    async def _look(self, request_id: str) -> GatheringProgress:
        return await self._service.status(request_id)

    async def _visible(self, call: ApiCall) -> str:
        """Returns the ID in the path if the token sees all, its owner asked, or it decides the policy."""
        request_id, token = call.instance_id(), call.token
        progress = await self._service.status(request_id)
        own = token.may(REQUEST) and progress.requester == token.owner
        if not (token.sees_all or own or progress.policy in token.policies):
            raise Problem("forbidden", "This token sees only what its owner asked or it may answer.")
        return request_id
