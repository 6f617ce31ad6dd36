"""Reads the body of a request from an unknown sender: limits its size and time, and never decompresses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import web

READ_WITHIN: Final = 10.0  # seconds for a whole body
FORM: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 200  # the most fields of a form; Twilio sends about thirty


async def read(request: web.Request, limit: int) -> bytes:
    """The body, of at most `limit` bytes. Raises 413 for a larger one, 408 for a slow one, 400 for a broken one."""
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(limit, request.content_length or 0)
    found = bytearray()
    try:
        async with asyncio.timeout(READ_WITHIN):
            async for piece in request.content.iter_any():
                found += piece
                if len(found) > limit:
                    raise web.HTTPRequestEntityTooLarge(limit, len(found))
    except TimeoutError as error:
        raise web.HTTPRequestTimeout(text="The body did not come in time.") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise web.HTTPBadRequest(text="The body cannot be read.") from error
    return bytes(found)


def text_of(body: bytes) -> str:
    """The body as text. Raises 400 if it is not UTF-8."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise web.HTTPBadRequest(text="The body is not UTF-8.") from error


def form_of(request: web.Request, body: bytes) -> dict[str, str]:
    """The fields of a form, each once. Raises 415 for another content type, 400 for an invalid form."""
    if request.content_type != FORM:
        raise web.HTTPUnsupportedMediaType(text=f"Send a form: Content-Type: {FORM}.")
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise web.HTTPBadRequest(text="The body is not a form.") from error
    found = dict(fields)
    if len(found) < len(fields):
        raise web.HTTPBadRequest(text="A field of the form is given more than once.")
    return found


@web.middleware
async def refuse_encodings(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Raises 415 before any of a compressed body is read: a few bytes of it can expand to very many."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"", "identity"}:
        raise web.HTTPUnsupportedMediaType(text="Send the body without a Content-Encoding.")
    return await handler(request)
