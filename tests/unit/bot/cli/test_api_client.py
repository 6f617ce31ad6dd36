"""How the command line reports a server that is not Countersign's."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.cli.api_client import ApiClient
from orchestration.domain.errors import CountersignError


async def test_an_answer_that_countersign_does_not_give_names_the_setting() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"ok": False})

    application = web.Application()
    application.router.add_get("/api/approvals", answer)
    async with TestServer(application) as server:
        environment = {"COUNTERSIGN_URL": str(server.make_url("")), "COUNTERSIGN_TOKEN": "csn_x"}
        async with ApiClient(environment) as api:
            with pytest.raises(CountersignError, match=r"not as Countersign does; check COUNTERSIGN_URL\."):
                _ = [item async for item in api.approvals({})]
            reply = await api.call("GET", "/api/approvals")
            with pytest.raises(CountersignError, match=r"answered without 'id', and not as"):
                _ = reply.body["id"]
