"""`countersign gate check FILE`: every fault in a gate file, and every rule that an agent could exploit."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bot.cli.arguments import examples
from bot.gate import gate_file
from bot.gate.gate_file import CallAction, GateFile, GateFileError
from bot.terminal import explain, say

FAULTS_FOUND: Final = 1


def add(commands: argparse._SubParsersAction[Any]) -> None:
    """Adds the subcommand."""
    gate = commands.add_parser("gate", help="which calls of an agent pass, are refused, or wait for people")
    actions = gate.add_subparsers(metavar="COMMAND", required=True)
    check = actions.add_parser(
        "check",
        help="find every fault in a gate file; exit status 1 when there is one",
        **examples("countersign gate check gate.toml"),
    )
    check.add_argument("file", type=Path, metavar="FILE", help="the gate file")
    check.set_defaults(command=_check)


def _check(given: argparse.Namespace) -> int:
    try:
        gate = gate_file.load(given.file)
    except GateFileError as error:
        explain(str(error))  # the faults by line, in the format of compilers
        return FAULTS_FOUND
    count = len(gate.rules)
    say(f"{given.file}: OK ({count} rule{'' if count == 1 else 's'} for {gate.agent})")
    say(
        f"Note: what no rule names is asked under {gate.default_policy}."
        if gate.default_policy
        else "Note: what no rule names is denied."
    )
    for warning in _warnings(given.file, gate):
        say(f"Warning: {warning}.")
    return 0


def _is_here(url: str) -> bool:
    return (urlsplit(url).hostname or "") in {"localhost", "127.0.0.1", "::1"}


def _warnings(path: Path, gate: GateFile) -> list[str]:
    found = [
        f"rule {number} allows a shell command by its text, and `git status; rm -rf /` starts with `git status`; "
        "use argv, which is there only for one simple command"
        for number, rule in enumerate(gate.rules, 1)
        if rule.action is CallAction.ALLOW and rule.when is not None and "arguments.command" in rule.when
    ]
    found += [
        f"rule {number} is never reached, as rule {every} fits every call"
        for every, last in enumerate(gate.rules, 1)
        if last.when is None and "*" in last.tools
        for number in range(every + 1, len(gate.rules) + 1)
    ]
    hidden = {
        path
        for path in [*gate.mask, *(path for rule in gate.rules for path in rule.mask)]
        if path.endswith("*")
    }
    found += [
        f"mask {path} hides every value there, also one that an agent puts there to do harm; name the secrets"
        for path in sorted(hidden)
    ]
    if gate.server is not None and gate.server.startswith("http://") and not _is_here(gate.server):
        found.append(
            "server is http://, so whoever is in between reads the token and can answer; use https://"
        )
    if gate.server is None:
        found.append("server is not given, so whoever can set COUNTERSIGN_URL chooses who answers")
    if os.access(path, os.W_OK):
        found.append("you can write this file; an agent that runs as you could change its rules")
    return list(dict.fromkeys(found))
