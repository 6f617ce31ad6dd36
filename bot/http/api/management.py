"""/runtime/webhooks/durabletask: the HTTP API of Durable Functions, so that its clients work unchanged.

Status codes and names are those of Durable Functions: 202 while an instance runs, 410 once it has ended, and so on. Two
things differ: an approval is Completed from the moment its outcome stands, though its cards may still be on their way;
and no event, rewind or restart reaches an instance of Countersign's own.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from bot.http.api import json_text
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response, plain_json
from bot.http.api.instance_json import event_json, instance_json, public_json
from bot.http.api.models import Instance, Purged, Started
from bot.http.api.problems import Problem
from bot.http.api.urls import ADMIN_RIGHT, MANAGEMENT, POLL_AFTER, STATUS_RIGHT, Urls
from bot.security.tokens import ADMIN, READ
from orchestration.approval.status import OVER
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.names import is_own_orchestration
from orchestration.service.operations import Operations

_EVENT: Final = re.compile(r"^[\x20-\x7e]{1,100}$")
LONGEST_REASON: Final = 2000


class ManagementRoutes:
    """The endpoints, over `Operations`."""

    def __init__(self, operations: Operations, urls: Urls) -> None:
        self._operations = operations
        self._urls = urls

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        one = f"{MANAGEMENT}/{{id}}"
        accepted = {202: ResponseSpec("Accepted")}
        gone = ("malformed", "not-found", "gone")
        return [
            Endpoint(
                "GET",
                one,
                self.show,
                "Status of an instance",
                frozenset({READ, ADMIN}),
                {
                    200: ResponseSpec("It has ended", Instance),
                    202: ResponseSpec("It is under way", Instance, ("Location", "Retry-After")),
                    500: ResponseSpec("It failed, and returnInternalServerErrorOnFailure was set", Instance),
                },
                ("not-found",),
                keyed=True,
                tag="Management",
                loose_query=(
                    "showInput",
                    "showHistory",
                    "showHistoryOutput",
                    "returnInternalServerErrorOnFailure",
                ),
            ),
            Endpoint(
                "DELETE",
                one,
                self.purge,
                "Purge an instance that has ended",
                frozenset({ADMIN}),
                {200: ResponseSpec("Purged", Purged)},
                ("not-found",),
                keyed=True,
                tag="Management",
            ),
            Endpoint(
                "POST",
                f"{one}/raiseEvent/{{event_name}}",
                self.raise_event,
                "Raise an event on an instance of another orchestration",
                frozenset({ADMIN}),
                accepted,
                (*gone, "conflict"),
                keyed=True,
                any_body=True,
                tag="Management",
            ),
            *(
                Endpoint(
                    "POST",
                    f"{one}/{name}",
                    handler,
                    f"{name.capitalize()} an instance",
                    frozenset({ADMIN}),
                    accepted,
                    gone,
                    keyed=True,
                    tag="Management",
                    loose_query=("reason",),
                )
                for name, handler in (
                    ("terminate", self.terminate),
                    ("suspend", self.suspend),
                    ("resume", self.resume),
                )
            ),
            Endpoint(
                "POST",
                f"{one}/rewind",
                self.rewind,
                "Run a failed instance of another orchestration again from where it failed",
                frozenset({ADMIN}),
                accepted,
                ("malformed", "not-found", "conflict", "gone"),
                keyed=True,
                tag="Management",
                loose_query=("reason",),
            ),
            Endpoint(
                "POST",
                f"{one}/restart",
                self.restart,
                "Start the work of an ended instance of another orchestration again, under a new ID unless told not to",
                frozenset({ADMIN}),
                {202: ResponseSpec("It runs", Started)},
                ("not-found", "conflict"),
                keyed=True,
                tag="Management",
                loose_query=("restartWithNewInstanceId",),
            ),
        ]

    async def show(self, call: ApiCall) -> web.Response:
        """The instance as their clients expect it."""
        instance_id = self._admit(call, STATUS_RIGHT)
        state = await self._operations.instance(instance_id)
        query = call.request.query
        inside = call.has_token or self._urls.may_act(call, instance_id)
        with_input = query.get("showInput", "true").lower() != "false"
        body = instance_json(state, with_input=with_input) if inside else public_json(state)
        if query.get("showHistory", "").lower() == "true" and inside:
            events = await self._operations.history(instance_id)
            with_output = query.get("showHistoryOutput", "").lower() == "true"
            own = is_own_orchestration(state.name)
            body["historyEvents"] = [
                event_json(event.to_dict(), type(event).__name__, own=own, with_output=with_output)
                for event in events
            ]
        if body["runtimeStatus"] in {"Completed", "Terminated"}:
            return plain_json(body)
        if body["runtimeStatus"] == "Failed":
            as_error = query.get("returnInternalServerErrorOnFailure", "").lower() == "true"
            return plain_json(body, 500 if as_error else 200)
        headers = {"Location": self._urls.again(call), "Retry-After": POLL_AFTER}
        return plain_json(body, 202, headers)

    async def raise_event(self, call: ApiCall) -> web.Response:
        """Raises an event on another orchestration's instance. Countersign's own instances refuse every event."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        name = call.part("event_name")
        if not _EVENT.match(name):
            raise Problem("malformed", "The event's name is not 1 to 100 printable ASCII characters.")
        if call.request.content_type != "application/json":
            raise Problem("malformed", "Send JSON: Content-Type: application/json.")
        payload = json_text.event(await call.raw())
        await self._operations.raise_event(instance_id, name, payload)
        return web.Response(status=202)

    async def terminate(self, call: ApiCall) -> web.Response:
        """Terminates the instance. An approval's cards are then updated to say so."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        reason = _reason(call)
        await self._running(instance_id)
        await self._operations.terminate(instance_id, reason)
        return web.Response(status=202)

    async def suspend(self, call: ApiCall) -> web.Response:
        """Suspends the instance."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        reason = _reason(call)
        await self._running(instance_id)
        await self._operations.suspend(instance_id, reason)
        return web.Response(status=202)

    async def resume(self, call: ApiCall) -> web.Response:
        """Resumes the instance."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        reason = _reason(call)
        await self._running(instance_id)
        await self._operations.resume(instance_id, reason)
        return web.Response(status=202)

    async def rewind(self, call: ApiCall) -> web.Response:
        """Rewinds the instance. Countersign's own are refused."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        await self._operations.rewind(instance_id, _reason(call))
        return web.Response(status=202)

    async def restart(self, call: ApiCall) -> web.Response:
        """Restarts the instance. Countersign's own are refused."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        new_id = call.request.query.get("restartWithNewInstanceId", "true").lower() != "false"
        restarted = await self._operations.restart(instance_id, new_id=new_id)
        addresses = self._urls.started(call, restarted, may_act=True, look_with=ADMIN_RIGHT)
        return json_response(addresses, 202)

    async def purge(self, call: ApiCall) -> web.Response:
        """Purges the instance, if it has ended."""
        instance_id = self._admit(call, ADMIN_RIGHT)
        deleted = await self._operations.purge(
            instance_id,
            f"{call.token.owner} with {call.token.name}" if call.has_token else "an address with a key",
        )
        if not deleted:
            raise UnknownRequestError("There is no ended instance with that ID.")
        return plain_json({"instancesDeleted": deleted})

    def _admit(self, call: ApiCall, right: str) -> str:
        """Returns the instance's ID. Raises `Problem` for a caller with neither a token nor a valid key in the URL."""
        instance_id = call.part("id")
        if not call.has_token and not self._urls.admits(call, right, instance_id):
            raise Problem("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        return call.instance_id()

    async def _running(self, instance_id: str) -> None:
        """Raises `Problem` if the instance has ended: the hub would accept the call and do nothing."""
        state = await self._operations.instance(instance_id)
        if state.runtime_status in OVER:
            raise Problem("gone")


def _reason(call: ApiCall) -> str | None:
    reason = call.request.query.get("reason")
    if reason is not None and (len(reason) > LONGEST_REASON or not reason.isprintable()):
        raise Problem("malformed", f"reason: at most {LONGEST_REASON} printable characters.")
    return reason
