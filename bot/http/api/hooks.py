"""/hooks: addresses at which an outside system raises one event of one instance, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from bot.http.api import json_text
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.models import Hook, NewHook
from bot.http.api.problems import Problem
from bot.http.api.urls import Urls
from bot.security.tokens import ADMIN
from orchestration.service.operations import Operations


class HookRoutes:
    """Makes such addresses, and receives what is sent to them."""

    def __init__(self, operations: Operations, urls: Urls) -> None:
        self._operations = operations
        self._urls = urls

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
                ("unauthenticated", "forbidden", "not-found", "gone"),
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
        if not self._urls.admits_hook(call, instance_id, name):
            raise Problem("unauthenticated", "The key in this address is wrong, or has expired.")
        raw = await call.raw()
        is_json = call.request.content_type.endswith("json")
        payload = json_text.event(raw) if is_json else json_text.payload(raw.decode(errors="replace"))
        await self._operations.raise_event(instance_id, name, payload)
        return web.Response(status=202)
