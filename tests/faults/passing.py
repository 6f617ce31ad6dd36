"""What a proxy passes on of a request and of an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp import web

_OWN: Final = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection"})


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request that go on to the other side."""
    return {name: value for name, value in headers.items() if name.lower() not in {"host", *_OWN}}


async def answered(found: aiohttp.ClientResponse) -> web.Response:
    """The answer of the other side, as an answer of ours."""
    kept = {name: value for name, value in found.headers.items() if name.lower() not in _OWN}
    return web.Response(status=found.status, body=await found.read(), headers=kept)
