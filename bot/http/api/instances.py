"""/runtime/webhooks/durabletask/instances and /orchestrators: many instances at once, and starts by name."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from durabletask.client import OrchestrationStatus

from bot.http.api import durable_query as query
from bot.http.api import json_text
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response, plain_json
from bot.http.api.instance_json import STATUSES, instance_json
from bot.http.api.models import Purged, Started
from bot.http.api.problems import Problem
from bot.http.api.urls import ADMIN_RIGHT, MANAGEMENT, POLL_AFTER, RUNTIME, Urls
from bot.security.tokens import ADMIN, READ
from orchestration.domain.errors import InvalidRequestError, UnknownRequestError
from orchestration.service.instances import InstanceFilter, Instances

LONGEST_NAME = 100
PAGES_LOOKED_THROUGH = 20
RUNNING, COMPLETED = OrchestrationStatus.RUNNING, OrchestrationStatus.COMPLETED
_FILTERS = ("createdTimeFrom", "createdTimeTo", "runtimeStatus", "instanceIdPrefix")


class InstancesRoutes:
    """The endpoints, over `Instances`."""

    def __init__(self, instances: Instances, urls: Urls) -> None:
        self._instances = instances
        self._urls = urls

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        started = {202: ResponseSpec("It runs", Started, ("Location", "Retry-After"))}
        return [
            Endpoint(
                "GET",
                MANAGEMENT,
                self.list,
                "List instances, oldest first",
                frozenset({READ, ADMIN}),
                {200: ResponseSpec("A page of them", any_json=True, is_list=True)},
                ("malformed",),
                tag="Management",
                loose_query=(*_FILTERS, "showInput", "top"),
                loose_headers=(query.CONTINUATION,),
                trailing_slash=True,
            ),
            Endpoint(
                "DELETE",
                MANAGEMENT,
                self.purge,
                "Purge the instances that have ended and were created from a time on",
                frozenset({ADMIN}),
                {200: ResponseSpec("Purged", Purged)},
                ("malformed", "not-found"),
                tag="Management",
                loose_query=_FILTERS,
                trailing_slash=True,
            ),
            *(
                Endpoint(
                    "POST",
                    f"{RUNTIME}/orchestrators/{{name}}{more}",
                    self.start,
                    "Start an orchestration of another program" + (", with that ID" if more else ""),
                    frozenset({ADMIN}),
                    started,
                    ("malformed", "invalid", "conflict"),
                    any_body=True,
                    tag="Management",
                    loose_query=("version",),
                )
                for more in ("", "/{id}")
            ),
        ]

    async def list(self, call: ApiCall) -> web.Response:
        """Returns one page. It may be short or even empty although the header says that there is a next one."""
        statuses = query.statuses(call)
        wanted = InstanceFilter(
            statuses=_asked_of_the_hub(statuses or frozenset()),
            created_from=query.time(call, "createdTimeFrom"),
            created_to=query.time(call, "createdTimeTo"),
            prefix=query.prefix(call),
        )
        with_input = query.is_set(call, "showInput", unless=True)
        if statuses is not None and not statuses:
            return plain_json([])
        names = {STATUSES[status] for status in statuses or STATUSES}
        limit, following = query.top(call), query.page_token(call)
        shown: list[dict[str, Any]] = []
        for _ in range(PAGES_LOOKED_THROUGH):
            try:
                states, following = await self._instances.page(wanted, limit=limit, token=following)
            except InvalidRequestError as error:
                raise Problem("malformed", f"{query.CONTINUATION}: {error}.") from error
            found = [instance_json(state, with_input=with_input) for state in states]
            shown = [one for one in found if one["runtimeStatus"] in names]
            if shown or following is None:
                break
        return plain_json(shown, headers={query.CONTINUATION: following} if following else None)

    async def purge(self, call: ApiCall) -> web.Response:
        """Purges one instance after another, until the caller hangs up. 404 where none matched."""
        created_from = query.time(call, "createdTimeFrom")
        if created_from is None:
            raise Problem("malformed", "createdTimeFrom: say from when on, such as 2026-11-26T00:00:00Z.")
        statuses = query.statuses(call)
        wanted = InstanceFilter(
            statuses=statuses or frozenset(),
            created_from=created_from,
            created_to=query.time(call, "createdTimeTo"),
            prefix=query.prefix(call),
        )
        purged = 0
        if statuses is None or statuses:
            by = f"{call.token.owner} with {call.token.name}"
            purged = await self._instances.purge(wanted, by, lambda: call.request.transport is not None)
        if not purged:
            raise UnknownRequestError("There is no ended instance that fits.")
        return plain_json({"instancesDeleted": purged})

    async def start(self, call: ApiCall) -> web.Response:
        """Starts an orchestration with the body as its input. Countersign's own orchestrations are refused."""
        name, version = call.part("name"), call.request.query.get("version") or None
        for what, text in (("name", name), ("version", version or "")):
            if len(text) > LONGEST_NAME or not text.isprintable():
                raise Problem("malformed", f"{what}: at most {LONGEST_NAME} printable characters.")
        instance_id = call.request.match_info.get("id")
        given = json_text.event(await call.raw())
        started = await self._instances.start(name, instance_id, given, version)
        addresses = self._urls.started(call, started, may_act=True, look_with=ADMIN_RIGHT)
        headers = {"Location": addresses.status_query_get_uri, "Retry-After": POLL_AFTER}
        return json_response(addresses, 202, headers)


def _asked_of_the_hub(statuses: frozenset[OrchestrationStatus]) -> frozenset[OrchestrationStatus]:
    """Returns the statuses to ask the hub for: an approval is shown as completed while it still runs at the hub."""
    return statuses | {RUNNING} if COMPLETED in statuses else statuses
