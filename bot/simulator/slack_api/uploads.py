"""The address that receives the bytes of a file, and the address that shows them."""

from typing import Final

from aiohttp import web

from bot.simulator.workspace.workspace import Workspace

PATH: Final = "/upload/v1/{secret}"
SHOWN: Final = "/files/{id}"
MOST: Final = 50_000_000  # bytes of one file
# A browser may show these. Everything else is only downloaded, because it could be a page with a script.
_PICTURES: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}


class Uploads:
    """Serves the two addresses. As at Slack, the first needs no token, but contains a secret."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [web.post(PATH, self.receive), web.get(SHOWN, self.show)]

    async def receive(self, request: web.Request) -> web.Response:
        """Store the bytes of a file. Answers 404 when the secret is unknown or the length is not as announced."""
        data = bytearray()
        async for piece in request.content.iter_chunked(65_536):
            data += piece
            if len(data) > MOST:
                raise web.HTTPRequestEntityTooLarge(MOST, len(data))
        if not self._workspace.files.receive(request.match_info["secret"], bytes(data)):
            return web.Response(text="no such upload, or another length", status=404)
        return web.Response(text=f"OK - {len(data)}")

    async def show(self, request: web.Request) -> web.Response:
        """Return the bytes of a file, for the page."""
        found = self._workspace.files.get(request.match_info["id"])
        if found is None or found.data is None:
            raise web.HTTPNotFound
        kind = next((one for start, one in _PICTURES.items() if found.data.startswith(start)), None)
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}
        if kind is None:
            headers["Content-Disposition"] = "attachment"
        return web.Response(body=found.data, content_type=kind or "application/octet-stream", headers=headers)
