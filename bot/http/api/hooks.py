"""/hooks: addresses at which an outside system raises one event of one instance, or gives one answer to a gathering."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from bot.http.api import json_text
from bot.http.api.commands import KEY_HEADER, kind_of_refusal
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.fulfilment_models import HookResult, hook_response
from bot.http.api.models import Hook, NewHook
from bot.http.api.problems import Problem
from bot.http.api.urls import Urls
from bot.security.answer_addresses import AnswerAddresses
from bot.security.tokens import ADMIN
from orchestration.domain.commands import Reason
from orchestration.service.fulfilments import FulfilmentService
from orchestration.service.gathering_messages import gathering_sentence
from orchestration.service.gatherings import GatheringService
from orchestration.service.operations import Operations

# The headers that identify a repeated delivery: that of Standard Webhooks, and that of the API.
DELIVERY_HEADERS: Final = ("webhook-id", "Idempotency-Key")
_DELIVERY: Final = re.compile(r"[\x21-\x7e]{1,200}")


class HookRoutes:
    """Makes hook addresses, and receives what is sent to them."""

    def __init__(
        self,
        operations: Operations,
        fulfilments: FulfilmentService,
        urls: Urls,
        gatherings: GatheringService,
        addresses: AnswerAddresses,
    ) -> None:
        self._operations = operations
        self._fulfilments = fulfilments
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
                {
                    200: ResponseSpec("What the event of a fulfilment has done", HookResult),
                    202: ResponseSpec("The event is on disk"),
                },
                ("unauthenticated", "forbidden", "not-found", "gone", "conflict"),
                keyed=True,
                any_body=True,
                tag="Hooks",
            ),
        ]

    async def make(self, call: ApiCall) -> web.Response:
        """Makes an address for an event that a policy declares, or for an event of another orchestration's instance."""
        given = await call.body(NewHook)
        target = await self._fulfilments.hook_target(given.instance_id, given.event_name)
        if target is not None:
            given = given.model_copy(update={"instance_id": target})
        else:
            await self._operations.check_event(given.instance_id, given.event_name)
        until = datetime.now(UTC) + given.expires_in
        url = self._urls.hook(call, given.instance_id, given.event_name, until)
        return json_response(Hook(url=url, expires_at=until), 201)

    async def receive(self, call: ApiCall) -> web.Response:
        """Raises the event, if that is still allowed. A JSON body is the payload; any other body becomes a string."""
        instance_id, name = call.part("instance_id"), call.part("event_name")
        if (nonce := call.request.query.get("of")) is not None:
            return await self._receive_answer(call, instance_id, name, nonce)
        if not self._urls.admits_hook(call, instance_id, name):
            raise Problem("unauthenticated", "The key in this address is wrong, or has expired.")
        raw = await call.raw()
        is_json = call.request.content_type.endswith("json")
        payload = json_text.event(raw) if is_json else json_text.payload(raw.decode(errors="replace"))
        verdict = await self._fulfilments.receive(
            instance_id, name, _delivery_id(call, raw), payload, call.request.query.get("by")
        )
        if verdict is not None:
            return hook_response(verdict)
        await self._operations.raise_event(instance_id, name, payload)
        return web.Response(status=202)

    async def _receive_answer(self, call: ApiCall, instance_id: str, name: str, nonce: str) -> web.Response:
        """Takes a system's answer to a gathering. The response says what is wrong, so the system can correct it."""
        if not self._addresses.admits(instance_id, name, nonce, call.request.query.get("code", "")):
            raise Problem("unauthenticated", "The key in this address is wrong, or has expired.")
        values = json_text.event(await call.raw())
        delivery = call.request.headers.get("webhook-id") or call.request.headers.get(KEY_HEADER)
        ticket = await self._gatherings.answer_of_system(
            instance_id, name, values, nonce=nonce, command_id=_answer_id(name, delivery)
        )
        verdict = await self._gatherings.verdict(ticket)
        if verdict.accepted or verdict.reason is Reason.NO_ANSWER_YET:
            return web.Response(status=202)
        gone = verdict.reason in {Reason.ALREADY_ENDED, Reason.OUTDATED}
        raise Problem("gone" if gone else kind_of_refusal(verdict.reason), gathering_sentence(verdict))


def _answer_id(event: str, delivery: str | None) -> str | None:
    """Returns an ID that is equal for a repeated delivery; None where the sender gives none."""
    return hashlib.sha256(f"{event}\0{delivery}".encode()).hexdigest() if delivery else None


def _delivery_id(call: ApiCall, raw: bytes) -> str:
    """Returns the sender's ID of the delivery, else one made from the body: an equal body is the same delivery."""
    for name in DELIVERY_HEADERS:
        given = call.request.headers.get(name)
        if given is not None:
            if not _DELIVERY.fullmatch(given):
                raise Problem("invalid", errors=[(name, "must be 1 to 200 visible ASCII characters")])
            return given
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"
