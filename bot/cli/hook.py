"""`countersign hook`: decides a coding agent's tool calls by a gate file, and asks people about those that wait."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from bot.cli.arguments import duration
from bot.cli.hook_settings import add_to_settings, entry, entry_text
from bot.gate import gate_file
from bot.gate.call_json import LARGEST, CallJsonError, parse
from bot.gate.gate_file import CallAction, GateFile
from bot.gate.ruling import Ruling, rule_on
from bot.terminal import complain, explain, say
from orchestration.domain.arguments import canonical
from orchestration.domain.errors import CountersignError

# What every client of this kind takes for "the call is blocked". Any other failure lets the call through.
BLOCKED: Final = 2
WAIT: Final = timedelta(minutes=9, seconds=30)
# Seconds for which a hook may take longer than it waits, before it ends itself and the call is blocked.
SPARE: Final = 15
EVENT: Final = "PreToolUse"
_RUN: Final = re.compile(r"[!-~]{1,128}")
DECISIONS: Final = {CallAction.ALLOW: "allow", CallAction.DENY: "deny", CallAction.CLIENT: "ask"}


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    hook = commands.add_parser("hook", help="decide a coding agent's tool calls, and ask people about them")
    clients = hook.add_subparsers(metavar="COMMAND", required=True)
    claude = clients.add_parser(
        "claude-code",
        help="a PreToolUse hook: the call on standard input, the decision on standard output",
        description="Exit status: 0 the decision is on standard output, 2 anything else, which blocks the call.",
    )
    _gate_and_wait(claude)
    claude.set_defaults(command=_claude_code)

    init = clients.add_parser("init", help="the entry for the client's settings")
    targets = init.add_subparsers(metavar="CLIENT", required=True)
    settings = targets.add_parser("claude-code", help="the entry for settings.json")
    _gate_and_wait(settings)
    settings.add_argument(
        "--write", metavar="SETTINGS", type=Path, help="show the entry, and put it into this settings file"
    )
    settings.set_defaults(command=_init)


def _gate_and_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--gate", metavar="FILE", type=Path, required=True, help="the gate file")
    parser.add_argument(
        "--wait",
        metavar="DURATION",
        type=duration,
        default=WAIT,
        help="how long people may take before the agent is told to call again (default 9m30s)",
    )


def _init(given: argparse.Namespace) -> int:
    """Prints the entry, and with --write puts it in. Raises `CountersignError`."""
    gate_file.load(given.gate)
    made = entry(given.gate.resolve(), given.wait)
    say(entry_text(made))
    if given.write is not None:
        for words in add_to_settings(given.write, made):
            say(words)
    return 0


def _claude_code(given: argparse.Namespace) -> int:
    """Decides one call. Whatever goes wrong is one line on standard error, and blocks the call."""
    seconds = given.wait.total_seconds()
    _end_when_told(seconds)
    try:
        tool, arguments, more, run = _read_call()
        gate = gate_file.load(given.gate)
        canonical(arguments)
        ruling = rule_on(gate, tool, arguments, **more)
        decision, reason = _decide(gate, ruling, tool, arguments, {**more, "run": run}, seconds)
        if not say(json.dumps(_output(decision, reason))):
            complain("nobody read the decision, so the call is blocked.")
            return BLOCKED
    except CallJsonError as error:
        complain(f"standard input {error}.")
    except CountersignError as error:
        explain("\n".join(f"countersign: {line}" for line in str(error).splitlines()))
    except Exception as error:  # noqa: BLE001 - any other exit status would let the call through
        complain(f"the call is blocked by a fault of Countersign's own: {type(error).__name__}: {error}")
    else:
        return 0
    return BLOCKED


def _read_call() -> tuple[str, dict[str, Any], dict[str, str], str]:
    """The tool, its arguments, where it runs, and the client's session. Raises `CallJsonError`."""
    call = parse(sys.stdin.buffer.read(LARGEST + 1))
    if not isinstance(call, dict) or call.get("hook_event_name") != EVENT:
        raise CallJsonError(f"is not the input of a {EVENT} hook")
    tool, arguments, directory = call.get("tool_name"), call.get("tool_input"), call.get("cwd")
    if not isinstance(tool, str) or not isinstance(arguments, dict) or not isinstance(directory, str):
        raise CallJsonError("has no tool_name, tool_input and cwd")
    server = call.get("mcp_server")
    name = server.get("name") if isinstance(server, dict) else None
    place = {"server": name if isinstance(name, str) else "", "directory": directory}
    return tool, arguments, place, _run_of(call)


def _run_of(call: dict[str, Any]) -> str:
    """The client's session, where the server takes it as a run: it only says which calls are shown together."""
    session = call.get("session_id")
    return session if isinstance(session, str) and _RUN.fullmatch(session) else ""


def _decide(
    gate: GateFile, ruling: Ruling, tool: str, arguments: dict[str, Any], more: dict[str, str], seconds: float
) -> tuple[str, str]:
    """The decision as the client calls it, and the reason. Raises `CountersignError`."""
    if ruling.action is not CallAction.ASK:
        which = f"rule {ruling.rule} of the gate file" if ruling.rule else "the gate file"
        return DECISIONS[ruling.action], ruling.reason or f"By {which}."
    # Imported late: it brings the HTTP client with it, which most calls do not need.
    from bot.cli.asked_call import ask_people  # noqa: PLC0415

    environment = {**os.environ, **({"COUNTERSIGN_URL": gate.server} if gate.server else {})}
    call = {
        "policy": ruling.policy,
        "agent": gate.agent,
        "tool": tool,
        "arguments": arguments,
        "mask": list(dict.fromkeys(ruling.mask)),
        "window": f"{int(ruling.window.total_seconds())}s",
        **more,
    }
    answer = asyncio.run(ask_people(environment, call, seconds=seconds))
    return DECISIONS[CallAction.ALLOW if answer.allowed else CallAction.DENY], answer.reason


def _output(decision: str, reason: str) -> dict[str, Any]:
    return {
        "hookSpecificOutput": {
            "hookEventName": EVENT,
            "permissionDecision": decision,
            "permissionDecisionReason": reason,
        }
    }


def _end_when_told(seconds: float) -> None:
    """Has the process end with a status that blocks the call, where it is stopped or takes too long."""

    def end(_number: int, _frame: object) -> NoReturn:
        complain("stopped before there was a decision, so the call is blocked.")
        os._exit(BLOCKED)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    signal.setitimer(signal.ITIMER_REAL, seconds + SPARE)
