"""Refuses requests from pages of other sites. Whoever can send requests here can act as anybody."""

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FOREIGN_PAGE = "This is for programs and pages on this machine; a page of another site was refused."
# Other sites may link to these paths, because they only show something.
_PAGE, _PERMALINKS = "/", "/archives/"


@web.middleware
async def same_origin_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 403 to requests that a browser sends for a page of another site. Programs send no such headers."""
    if not _is_here(request.host) or _is_foreign(request):
        return web.json_response({"ok": False, "error": FOREIGN_PAGE}, status=403)
    return await handler(request)


def _is_here(host: str) -> bool:
    """Whether the host is loopback. The owner of any other name could point it here and count as the same site."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_foreign(request: web.Request) -> bool:
    origin = request.headers.get("Origin")
    if origin is not None and origin != f"http://{request.host}":
        return True
    # A browser lets any site send a form or load a picture without a preflight; a picture has no Origin header.
    if request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
        return False
    followed = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    return not (followed and (request.path == _PAGE or request.path.startswith(_PERMALINKS)))
