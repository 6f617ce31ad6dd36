"""`countersign hook`: decides a coding agent's tool calls by a gate file, and asks people where the file says so."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

from bot.cli.arguments import duration
from bot.cli.hook_settings import add_to_settings, entry_text
from bot.coding_agents.client import BLOCKED, ClientAnswer, ClientCall, HookClient
from bot.coding_agents.clients import CLIENTS
from bot.gate import gate_file
from bot.gate.call_json import LARGEST, CallJsonError, parse
from bot.gate.gate_file import CallAction, GateFile
from bot.gate.ruling import Ruling, change_fault, rule_on
from bot.terminal import complain, explain, say
from orchestration.domain.arguments import canonical
from orchestration.domain.errors import CountersignError

WAIT: Final = timedelta(minutes=9, seconds=30)
# Seconds that a hook may run beyond its wait before it ends itself and blocks the call. Fewer than the client
# allows: most clients let a call through when they have to end the hook themselves.
SPARE: Final = 15


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    hook = commands.add_parser("hook", help="decide a coding agent's tool calls, and ask people about them")
    names = hook.add_subparsers(metavar="COMMAND", required=True)
    for client in CLIENTS.values():
        called = names.add_parser(
            client.name,
            help=f"the hook of {client.title}: reads the call on standard input, and answers in the form of the client",
            description="Exit status: 0 the call is decided, 2 it is denied, or anything failed. 2 blocks the call.",
        )
        _gate_and_wait(called)
        called.set_defaults(command=partial(_hook, client))

    init = names.add_parser("init", help="the entry for the client's settings")
    targets = init.add_subparsers(metavar="CLIENT", required=True)
    for client in CLIENTS.values():
        settings = targets.add_parser(client.name, help=f"the entry for {client.title}: {client.managed}")
        _gate_and_wait(settings)
        settings.add_argument(
            "--write",
            metavar="SETTINGS",
            type=Path,
            help="show the entry, and put it into this settings file",
        )
        settings.set_defaults(command=partial(_init, client))


def _gate_and_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gate", metavar="FILE", type=Path, required=True, help="the gate file")
    parser.add_argument(
        "--wait",
        metavar="DURATION",
        type=duration,
        default=WAIT,
        help="how long people may take before the agent is told to call again (default 9m30s)",
    )


def _init(client: HookClient, given: argparse.Namespace) -> int:
    """Prints the settings entry; with --write also puts it into the file. Raises `CountersignError`."""
    gate = gate_file.load(given.gate)
    made = client.entry(given.gate.resolve(), given.wait)
    say(entry_text(client, made))
    if given.write is not None:
        for words in add_to_settings(given.write, client, made):
            say(words)
    for number, rule in enumerate(gate.rules, 1):
        if rule.action is CallAction.CLIENT and not client.can_ask:
            complain(f"warning: rule {number} leaves calls to the client. {_cannot_ask(client)}")
    return 0


def _hook(client: HookClient, given: argparse.Namespace) -> int:
    """Decides one call. Any failure prints one line on standard error and blocks the call."""
    seconds = given.wait.total_seconds()
    _end_when_told(seconds)
    try:
        answer = decided(client, sys.stdin.buffer.read, given.gate, seconds, os.environ)
        if answer.err:
            complain(answer.err)
        if answer.out is not None and not say(json.dumps(answer.out)):
            complain("nobody read the decision, so the call is blocked.")
            return BLOCKED
    except CallJsonError as error:
        complain(f"standard input {error}.")
    except CountersignError as error:
        explain("\n".join(f"countersign: {line}" for line in str(error).splitlines()))
    except BaseException as error:  # noqa: BLE001 - any other status may let the call through; a panic is no Exception
        complain(f"the call is blocked by a fault of Countersign's own: {type(error).__name__}: {error}")
    else:
        return answer.status
    return BLOCKED


def decided(
    client: HookClient,
    read: Callable[[int], bytes],
    path: Path,
    seconds: float,
    environment: Mapping[str, str],
) -> ClientAnswer:
    """The answer for the client about the call that `read` returns. People have `seconds` to answer.

    Raises `CallJsonError` for input that is no call, and `CountersignError` where the call cannot be decided.
    """
    told = parse(read(LARGEST + 1))
    if not isinstance(told, dict):
        raise CallJsonError("is no object in JSON")
    call = client.read(told)
    gate = gate_file.load(path)
    canonical(call.arguments)
    ruling = rule_on(
        gate,
        call.tool,
        call.arguments,
        server=call.server,
        directory=call.directory,
        command=call.command,
    )
    if ruling.action is CallAction.ASK:
        return _asked(client, gate, ruling, call, seconds, environment)
    if ruling.action is CallAction.CLIENT and not client.can_ask:
        reason = f"Rule {ruling.rule} of the gate file leaves this call to the client. {_cannot_ask(client)}"
        return client.answer(CallAction.DENY, reason)
    which = f"rule {ruling.rule} of the gate file" if ruling.rule else "the gate file"
    return client.answer(ruling.action, ruling.reason or f"By {which}.")


def _asked(
    client: HookClient,
    gate: GateFile,
    ruling: Ruling,
    call: ClientCall,
    seconds: float,
    environment: Mapping[str, str],
) -> ClientAnswer:
    # Imported late: it imports the HTTP client, which most calls do not need.
    from bot.cli.asked_call import ask_people  # noqa: PLC0415

    server = {"COUNTERSIGN_URL": gate.server} if gate.server else {}
    asked = {
        "policy": ruling.policy,
        "agent": gate.agent,
        "tool": call.tool,
        "arguments": call.arguments,
        "server": call.server,
        "directory": call.directory,
        "mask": list(dict.fromkeys(ruling.mask)),
        "window": f"{int(ruling.window.total_seconds())}s",
        "accepts_edits": client.takes_changes,
        "run": call.run,
    }
    answer = asyncio.run(ask_people({**environment, **server}, asked, seconds=seconds))
    if answer.arguments is not None and (
        fault := _change_fault(gate, ruling, client, call, answer.arguments)
    ):
        return client.answer(CallAction.DENY, fault)
    action = CallAction.ALLOW if answer.allowed else CallAction.DENY
    if answer.arguments is None:
        return client.answer(action, answer.reason)
    return client.changed(call.arguments, answer.arguments, answer.reason)


def _change_fault(
    gate: GateFile, ruling: Ruling, client: HookClient, call: ClientCall, changed: dict[str, Any]
) -> str | None:
    command = client.command(call, changed)
    now = rule_on(gate, call.tool, changed, server=call.server, directory=call.directory, command=command)
    return change_fault(ruling, now)


def _cannot_ask(client: HookClient) -> str:
    return f"A hook cannot have {client.title} ask, so the call is denied; use allow, ask or deny there."


def _end_when_told(seconds: float) -> None:
    """Makes the process end with the status that blocks the call when it is stopped or takes too long."""

    def end(_number: int, _frame: object) -> NoReturn:
        complain("stopped before there was a decision, so the call is blocked.")
        os._exit(BLOCKED)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    signal.setitimer(signal.ITIMER_REAL, seconds + SPARE)
