"""Runs the gate in front of an MCP server: reads the options, and connects client, gate and server."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import re
import signal
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from bot.gate import gate_file
from bot.gate.gate_file import CallAction, GateFile
from bot.mcp.gate.asking import PeopleAsking
from bot.mcp.gate.lines import standard_lines
from bot.mcp.gate.messages import LARGEST
from bot.mcp.gate.relay import Relay
from bot.mcp.gate.stdio_upstream import StdioUpstream
from bot.terminal import complain
from orchestration.domain.errors import CountersignError
from orchestration.domain.held_call import ServerName

NOT_DONE: Final = 4
_HEADER: Final = re.compile(r"([A-Za-z0-9-]{1,100})=([A-Za-z_][A-Za-z0-9_]*)")
# The libraries would log what servers say.
_QUIET: Final = ("mcp", "httpx2", "httpcore2")


def run(given: argparse.Namespace) -> int:
    """Runs until one side ends. Returns 0 if that is the client, 4 if it is the server. Raises `CountersignError`."""
    gate = gate_file.load(given.gate)
    if gate.default_policy is None:
        for number, rule in enumerate(gate.rules, 1):
            if rule.action is CallAction.CLIENT:
                raise CountersignError(
                    f"{given.gate}: rule {number} leaves calls to the client, which nobody can do in front of a "
                    "server. There they are asked under the default_policy; give one, or another action."
                )
    asks = gate.default_policy is not None or any(rule.action is CallAction.ASK for rule in gate.rules)
    if asks and not os.environ.get("COUNTERSIGN_TOKEN", "").strip():
        raise CountersignError(
            "COUNTERSIGN_TOKEN: is not set, so nobody could be asked; `countersign token create` makes one where the "
            "server runs."
        )
    if bool(given.url) == bool(given.server):
        raise CountersignError("Give either --url, or -- and the server's command.")
    if given.header and not given.url:
        raise CountersignError("--header goes with --url.")
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return asyncio.run(_run(given, gate, _name(given)))


def _name(given: argparse.Namespace) -> str:
    """The name of the server. Raises `CountersignError`."""
    found = given.name
    if found is None:
        found = (urlsplit(given.url).hostname or "") if given.url else PurePath(given.server[0]).name
    try:
        name: str = TypeAdapter(ServerName).validate_python(found)
    except ValidationError:
        name = ""
    if not name:
        raise CountersignError(
            f"--name: {found!r} is no name for a server; give one of ASCII letters, digits, spaces and ._:/@-, such as "
            "github."
        )
    return name


async def _run(given: argparse.Namespace, gate: GateFile, name: str) -> int:
    environment = {**os.environ, **({"COUNTERSIGN_URL": gate.server} if gate.server else {})}
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    opened: list[Any] = []

    def asking() -> PeopleAsking:
        # Imported late: it imports the HTTP client, and the gate file alone decides most calls.
        from bot.cli.gate_asking import ApiAsking  # noqa: PLC0415

        made = ApiAsking(environment)
        opened.append(made)
        return made

    async with _upstream(given) as upstream:
        try:
            relay = Relay(await standard_lines(LARGEST), upstream, gate, name, asking)
            if await relay.run(stopped):
                return 0
            complain(f"the server {await upstream.ended()}.")
        finally:
            for made in opened:
                await made.close()
    return NOT_DONE


def _upstream(given: argparse.Namespace) -> Any:
    if not given.url:
        return StdioUpstream(given.server)
    try:
        from bot.mcp.gate.http_upstream import HttpUpstream  # noqa: PLC0415 - the SDK takes long to import
    except ImportError as error:
        raise CountersignError(
            f"--url needs the package mcp, which cannot be imported ({error}). Install Countersign anew."
        ) from error
    return HttpUpstream(given.url, _headers(given.header))


def _headers(given: list[str]) -> dict[str, str]:
    """The headers with their values. Raises `CountersignError`."""
    found = {}
    for text in given:
        parts = _HEADER.fullmatch(text)
        if parts is None:
            raise CountersignError(
                f"--header: {text.partition('=')[0][:40]!r} is not followed by = and the name of a variable of the "
                "environment, such as Authorization=GITHUB_AUTHORIZATION."
            )
        name, variable = parts.groups()
        if not (value := os.environ.get(variable, "")):
            raise CountersignError(f"--header: the environment has no variable {variable}.")
        found[name] = value
    return found
