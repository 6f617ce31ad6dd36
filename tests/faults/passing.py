"""What the proxies share: how they listen, and which parts of a request and an answer they pass on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import web
from aiohttp.typedefs import Handler

_OWN: Final = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection"})


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that go on to the other side."""
    return {name: value for name, value in headers.items() if name.lower() not in {"host", *_OWN}}


async def listen(handler: Handler) -> tuple[web.AppRunner, str]:
    """Serves on a free port of loopback; returns the runner, to be cleaned up by the caller, and the address."""
    application = web.Application(client_max_size=4 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def answered(found: aiohttp.ClientResponse) -> web.Response:
    """The answer of the other side, copied into one for our caller."""
    kept = {name: value for name, value in found.headers.items() if name.lower() not in _OWN}
    return web.Response(status=found.status, body=await found.read(), headers=kept)
