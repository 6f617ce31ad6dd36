"""Another party's server, which outcomes are POSTed to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


class Receiver:
    """The server that gets callbacks. It answers with each status in turn, then 204; while `held`, not at all."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.paths: list[str] = []
        self.url = ""
        self.free = asyncio.Event()
        self.free.set()

    @property
    def origin(self) -> str:
        return self.url.removesuffix("/done")

    @property
    def ids(self) -> set[str]:
        """The delivery IDs that came."""
        return {
            {name.lower(): value for name, value in headers.items()}["webhook-id"] for headers, _ in self.got
        }

    async def receive(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        self.paths.append(request.raw_path)
        await self.free.wait()
        status = self.statuses.pop(0) if self.statuses else 204
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else {})


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    application = web.Application()
    application.router.add_post("/{tail:.*}", found.receive)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/done"
    try:
        yield found
    finally:
        found.free.set()
        await runner.cleanup()
