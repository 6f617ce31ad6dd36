"""`countersign secret list|reseal|end`: prepares the removal of an old COUNTERSIGN_SECRET."""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any
from urllib.parse import quote

from bot.cli.api_client import ApiClient, CallRefusedError
from bot.terminal import report, say


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("secret", help="which secrets are still needed; with a token of scope admin")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the sealing key of each secret, and what still needs it")
    listing.set_defaults(command=lambda _: asyncio.run(_list()))
    reseal = actions.add_parser("reseal", help="seal with the newest secret what is kept about people")
    reseal.set_defaults(command=lambda _: asyncio.run(_reseal()))
    end = actions.add_parser("end", help="terminate the open requests that a leaked secret has sealed")
    end.add_argument("key", metavar="KEY", help="the key, as `secret list` names it")
    end.set_defaults(command=lambda given: asyncio.run(_end(given.key)))


async def _list() -> int:
    async with ApiClient(os.environ) as api:
        keys = (await api.call("GET", "/api/seals")).body["keys"]
    for key in keys:
        state = "seals" if key["seals"] else "checks" if key["held"] else "not held"
        say(
            f"{key['id']}  {state:<8}  {len(key['open'])} open, {key['entities']} entities, {key['ended']} ended"
        )
        for instance in key["open"]:
            say(f"    {instance}")
    return 0


async def _reseal() -> int:
    async with ApiClient(os.environ) as api:
        done = (await api.call("POST", "/api/seals/reseal")).body["entities"]
    report(f"{done} entities are sealed with the newest secret.")
    return 0


async def _end(key: str) -> int:
    """Ends orchestrations whose data somebody else may have sealed, as they must not go on, and tells their people."""
    async with ApiClient(os.environ) as api:
        keys = (await api.call("GET", "/api/seals")).body["keys"]
        opened = next((one["open"] for one in keys if one["id"] == key), None)
        if opened is None:
            raise CallRefusedError(404, f"KEY: there is no key {key}; `countersign secret list` names them.")
        for instance in opened:
            reason = quote("Its secret was leaked.")
            place = f"/runtime/webhooks/durabletask/instances/{quote(instance, safe='')}"
            await api.call("POST", f"{place}/terminate?reason={reason}")
            report(f"{instance} is terminated.")
    return 0
