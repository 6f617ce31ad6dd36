"""`/sim/events`: tells the page what changed, as it changes (server-sent events)."""

import asyncio
import json

from aiohttp import web

from bot.simulator.workspace.changes import Changes

RECONNECT = 500


class Live:
    """Streams changes to pages. A page that fell behind is sent `{"kind": "all"}`, and fetches everything again."""

    def __init__(self, changes: Changes, heartbeat: float) -> None:
        self._changes = changes
        self._heartbeat = heartbeat
        self._streams: set[asyncio.Task[object]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Stream to one watcher until it leaves or the server stops."""
        person = request.query.get("as", "")
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        # Watching begins before the first byte is sent, so that the page misses no change between connecting and
        # its first fetch.
        with self._changes.watch() as queue:
            await response.prepare(request)
            stream = asyncio.current_task()
            assert stream is not None  # noqa: S101 — aiohttp runs every handler in a task
            self._streams.add(stream)
            try:
                await response.write(f"retry: {RECONNECT}\n\n".encode())
                while True:
                    try:
                        async with asyncio.timeout(self._heartbeat):
                            change = await queue.get()
                    except TimeoutError:
                        await response.write(b": still here\n\n")
                        continue
                    data = change.data_for(person) if change else {"kind": "all"}
                    if data is not None:
                        await response.write(f"event: change\ndata: {json.dumps(data)}\n\n".encode())
            except (ConnectionError, asyncio.CancelledError):
                return response
            finally:
                self._streams.discard(stream)

    def close(self) -> None:
        """End every stream. Otherwise the server would wait forever for the pages to disconnect."""
        for stream in self._streams:
            stream.cancel()
