"""`countersign status`, `list`, `cancel` and `export`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from pydantic import TypeAdapter, ValidationError

from bot.cli.ask import ending, standing
from bot.cli.server import Server
from bot.terminal import plain, say
from orchestration.domain.request import Duration, Status

OK: Final = 0


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommands."""
    status = commands.add_parser("status", help="where a request stands")
    status.add_argument("id", metavar="ID")
    status.add_argument("--json", action="store_true", help="all of it, as JSON")
    status.set_defaults(command=lambda given: asyncio.run(_status(given)))

    listing = commands.add_parser("list", help="requests, oldest first")
    listing.add_argument("--status", choices=[status.value for status in Status])
    listing.add_argument("--policy")
    listing.add_argument("--requester", metavar="U…")
    listing.add_argument("--since", type=_since, help="a date, a time, or how long ago, such as 7d")
    listing.set_defaults(command=lambda given: asyncio.run(_list(given)))

    cancel = commands.add_parser("cancel", help="withdraw a request of yours")
    cancel.add_argument("id", metavar="ID")
    cancel.add_argument("--reason", default="")
    cancel.set_defaults(command=lambda given: asyncio.run(_cancel(given)))

    export = commands.add_parser("export", help="everything on record, one JSON object a line")
    export.add_argument(
        "--since", type=_since, required=True, help="a date, a time, or how long ago, such as 90d"
    )
    export.set_defaults(command=lambda given: asyncio.run(_export(given)))


def _since(text: str) -> str:
    """A date or time as it is, a duration as that long ago; ISO 8601 with an offset."""
    try:
        return (datetime.now(UTC) - TypeAdapter(Duration).validate_python(text)).isoformat()
    except ValidationError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date, no time and no duration") from error
    return found.astimezone().isoformat()


def _place(request_id: str) -> str:
    return f"/api/approvals/{quote(request_id, safe='')}"


async def _status(given: argparse.Namespace) -> int:
    async with Server(os.environ) as server:
        reply = await server.call("GET", _place(given.id))
    if given.json:
        say(json.dumps(reply.body))
    else:
        say(ending(reply.body) if reply.status == 200 else plain(standing(reply.body)))
    return OK


async def _list(given: argparse.Namespace) -> int:
    names = ("status", "policy", "requester", "since")
    query = {name: value for name in names if (value := getattr(given, name))}
    async with Server(os.environ) as server:
        async for item in server.approvals(query):
            asked = datetime.fromisoformat(item["asked_at"]).astimezone()
            where = f"{item['id']:<24} {item['status']:<13} {asked:%Y-%m-%d %H:%M}"
            say(plain(f"{where}  {item['requester']:<12} {item['title']}"))
    return OK


async def _cancel(given: argparse.Namespace) -> int:
    async with Server(os.environ) as server:
        reply = await server.call("POST", f"{_place(given.id)}/cancel", {"reason": given.reason})
    say(reply.body["message"])
    return OK


async def _export(given: argparse.Namespace) -> int:
    async with Server(os.environ) as server:
        async for item in server.approvals({"since": given.since}):
            say(json.dumps(item, ensure_ascii=False))
    return OK
