"""/runtime/webhooks/durabletask/entities: the entities of other programs."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from bot.http.api import durable_query as query
from bot.http.api import json_text
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, plain_json
from bot.http.api.instance_json import time_text
from bot.http.api.problems import Problem
from bot.http.api.urls import RUNTIME
from bot.security.tokens import ADMIN, READ
from orchestration.domain.errors import InvalidRequestError
from orchestration.service.entities import Entities, Entity, EntityFilter

ENTITIES: Final = f"{RUNTIME}/entities"
_OPERATION: Final = re.compile(r"^[\x20-\x7e]{0,100}$")


class EntityRoutes:
    """The endpoints, over `Entities`. Countersign's own are neither shown nor signalled."""

    def __init__(self, entities: Entities) -> None:
        self._entities = entities

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        one = f"{ENTITIES}/{{name}}/{{key}}"
        return [
            *(
                Endpoint(
                    "GET",
                    path,
                    self.list,
                    "List the entities of other programs" + (", those of one name" if "{" in path else ""),
                    frozenset({READ, ADMIN}),
                    {200: ResponseSpec("A page of them", any_json=True, is_list=True)},
                    ("malformed",),
                    tag="Management",
                    loose_query=(
                        *(() if "{" in path else ("entityName",)),
                        "lastOperationTimeFrom",
                        "lastOperationTimeTo",
                        "fetchState",
                        "top",
                    ),
                    loose_headers=(query.CONTINUATION,),
                    trailing_slash=True,
                )
                for path in (ENTITIES, f"{ENTITIES}/{{name}}")
            ),
            Endpoint(
                "GET",
                one,
                self.show,
                "The state of an entity of another program",
                frozenset({READ, ADMIN}),
                {200: ResponseSpec("Its state", any_json=True, is_list=None)},
                ("not-found",),
                tag="Management",
            ),
            Endpoint(
                "POST",
                one,
                self.signal,
                "Have an entity of another program run an operation, with the body as its input",
                frozenset({ADMIN}),
                {202: ResponseSpec("The signal is on disk")},
                ("malformed", "not-found"),
                any_body=True,
                tag="Management",
                loose_query=("op",),
            ),
        ]

    async def list(self, call: ApiCall) -> web.Response:
        """Returns one page. It may be short or even empty although the header says that there is a next one."""
        name = call.request.match_info.get("name") or call.request.query.get("entityName") or None
        if name is not None and not name.isprintable():
            raise Problem("malformed", "entityName: printable characters only.")
        with_state = query.is_set(call, "fetchState", unless=False)
        wanted = EntityFilter(
            name,
            query.time(call, "lastOperationTimeFrom"),
            query.time(call, "lastOperationTimeTo"),
            with_state=with_state,
        )
        try:
            found, following = await self._entities.page(
                wanted, limit=query.top(call), token=query.page_token(call)
            )
        except InvalidRequestError as error:
            raise Problem("malformed", f"{query.CONTINUATION}: {error}.") from error
        shown = [_entity_json(entity, with_state=with_state) for entity in found]
        return plain_json(shown, headers={query.CONTINUATION: following} if following else None)

    async def show(self, call: ApiCall) -> web.Response:
        """Returns the state as JSON; a state that is not JSON as text."""
        return plain_json(json_text.shown(await self._entities.state(call.part("name"), call.part("key"))))

    async def signal(self, call: ApiCall) -> web.Response:
        """Sends the signal to the entity. An entity that does not exist yet is created."""
        operation = call.request.query.get("op", "")
        if not _OPERATION.match(operation):
            raise Problem("malformed", "op: at most 100 printable ASCII characters.")
        given = json_text.event(await call.raw())
        await self._entities.signal(call.part("name"), call.part("key"), operation, given)
        return web.Response(status=202)


def _entity_json(entity: Entity, *, with_state: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "entityId": {"name": entity.name, "key": entity.key},
        "lastOperationTime": time_text(entity.changed_at),
    }
    return {**shown, "state": json_text.shown(entity.state)} if with_state else shown
