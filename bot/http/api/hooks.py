"""/hooks: addresses at which an outside system raises one event of one instance, or gives one answer to a gathering."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from aiohttp import web

from bot.http.api import json_text
from bot.http.api.commands import KEY_HEADER, kind_of_refusal
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.models import Hook, NewHook
from bot.http.api.problems import Problem
from bot.http.api.urls import Urls
from bot.security.answer_addresses import AnswerAddresses
from bot.security.tokens import ADMIN
from orchestration.domain.commands import Reason
from orchestration.service.gathering_messages import gathering_sentence
from orchestration.service.gatherings import GatheringService
from orchestration.service.operations import Operations


class HookRoutes:
    """Makes such addresses, and receives what is sent to them."""

    def __init__(
        self, operations: Operations, urls: Urls, gatherings: GatheringService, addresses: AnswerAddresses
    ) -> None:
        self._operations = operations
        self._urls = urls
        self._gatherings = gatherings
        self._addresses = addresses

    def endpoints(self) -> list[Endpoint]:
        """Both."""
        return [
            Endpoint(
                "POST",
                "/api/hooks",
                self.make,
                "Make an address at which an outside system raises one event of one instance",
                frozenset({ADMIN}),
                {201: ResponseSpec("The address", Hook)},
                ("not-found", "forbidden"),
                body=NewHook,
                tag="Hooks",
            ),
            Endpoint(
                "POST",
                "/hooks/{instance_id}/{event_name}",
                self.receive,
                "Raise that event; the body becomes its payload",
                frozenset(),
                {202: ResponseSpec("The event is on disk")},
                ("unauthenticated", "forbidden", "not-found", "gone", "conflict"),
                keyed=True,
                any_body=True,
                tag="Hooks",
            ),
        ]

    async def make(self, call: ApiCall) -> web.Response:
        """Makes one for an instance of another orchestration, and an event that is none of Countersign's own."""
        given = await call.body(NewHook)
        await self._operations.check_event(given.instance_id, given.event_name)
        until = datetime.now(UTC) + given.expires_in
        url = self._urls.hook(call, given.instance_id, given.event_name, until)
        return json_response(Hook(url=url, expires_at=until), 201)

    async def receive(self, call: ApiCall) -> web.Response:
        """Raises the event, if it still may be. A JSON body is its payload; any other body becomes a string."""
        instance_id, name = call.part("instance_id"), call.part("event_name")
        if (nonce := call.request.query.get("of")) is not None:
            return await self._receive_answer(call, instance_id, name, nonce)
        if not self._urls.admits_hook(call, instance_id, name):
            raise Problem("unauthenticated", "The key in this address is wrong, or has expired.")
        raw = await call.raw()
        is_json = call.request.content_type.endswith("json")
        payload = json_text.event(raw) if is_json else json_text.payload(raw.decode(errors="replace"))
        await self._operations.raise_event(instance_id, name, payload)
        return web.Response(status=202)

    async def _receive_answer(self, call: ApiCall, instance_id: str, name: str, nonce: str) -> web.Response:
        """A system's answer to a gathering. What is wrong with it is said at once, so that it can be sent again."""
        if not self._addresses.admits(instance_id, name, nonce, call.request.query.get("code", "")):
            raise Problem("unauthenticated", "The key in this address is wrong, or has expired.")
        values = json_text.event(await call.raw())
        delivery = call.request.headers.get("webhook-id") or call.request.headers.get(KEY_HEADER)
        ticket = await self._gatherings.answer_of_system(
            instance_id, name, values, nonce=nonce, command_id=_delivery_id(name, delivery)
        )
        verdict = await self._gatherings.verdict(ticket)
        if verdict.accepted or verdict.reason is Reason.NO_ANSWER_YET:
            return web.Response(status=202)
        gone = verdict.reason in {Reason.ALREADY_ENDED, Reason.OUTDATED}
        raise Problem("gone" if gone else kind_of_refusal(verdict.reason), gathering_sentence(verdict))


def _delivery_id(event: str, delivery: str | None) -> str | None:
    """The same for a delivery that comes again; None where the sender gives it no ID."""
    return hashlib.sha256(f"{event}\0{delivery}".encode()).hexdigest() if delivery else None
