"""The interface to one coding agent."""

from __future__ import annotations

import math
import re
import shlex
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

from bot.gate.call_json import CallJsonError, parse
from bot.gate.gate_file import CallAction

_RUN: Final = re.compile(r"[!-~]{1,128}")
# Seconds that the client gives the hook beyond the time that people have to answer.
SPARE: Final = 30
# The status that every client of this kind takes as "the call is blocked".
BLOCKED: Final = 2
# Most clients ignore a hook that was killed, that could not start, or that ends with another status, and let the
# call through. So a shell runs the hook and turns all of these into status 2. It also prints a reason: without one,
# Codex lets the call through.
_GUARD: Final = '"$@" || { echo "countersign: the call is blocked." >&2; exit 2; }'


@dataclass(frozen=True)
class ClientCall:
    """A call as the client describes it.

    `command` is the text of a shell command, if the client hands it to a POSIX shell and nothing else in the call
    can change what its words do. It is None wherever that is not certain.
    `run` is the client's session, if the server accepts it as a run; it only tells which calls are shown together.
    """

    tool: str
    arguments: dict[str, Any]
    directory: str
    server: str = ""
    command: str | None = None
    run: str = ""


@dataclass(frozen=True)
class ClientAnswer:
    """The output and exit status of the hook. `err` is a sentence, or empty."""

    status: int
    out: Mapping[str, Any] | None = None
    err: str = ""


class HookClient(ABC):
    """One coding agent whose hook can block a call before it is made.

    `place` is the list in its settings file that holds the entry, `skeleton` the other content of a new file.
    `can_ask` says whether the hook can tell the client to ask its user, `takes_changes` whether the hook can change
    the arguments of the call.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    managed: ClassVar[str]
    place: ClassVar[tuple[str, str]]
    skeleton: ClassVar[Mapping[str, Any]] = {}
    can_ask: ClassVar[bool] = True
    takes_changes: ClassVar[bool] = False

    @abstractmethod
    def read(self, call: dict[str, Any]) -> ClientCall:
        """Reads the call. Raises `CallJsonError` for anything but the input of its hook."""

    @abstractmethod
    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """The answer that tells the client to allow the call, to deny it, or to ask its user."""

    def changed(self, asked: dict[str, Any], arguments: dict[str, Any], reason: str) -> ClientAnswer:
        """The answer that tells the client to use other arguments. A client that cannot do so never makes the call."""
        del asked, arguments
        return self.answer(CallAction.DENY, f"{self.title} cannot make a call that people changed. {reason}")

    def command(self, call: ClientCall, arguments: dict[str, Any]) -> str | None:
        """The `command` of the call with other arguments, where the call can be made with them."""
        del call, arguments
        return None

    @abstractmethod
    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The settings entry: for every tool. A failing hook blocks the call as far as the client allows that."""

    def switched_off(self, settings: Mapping[str, Any]) -> str | None:
        """Which setting keeps the hook from running, as the end of a sentence; None if none does."""
        return "disableAllHooks" if settings.get("disableAllHooks") else None

    def arguments(self, gate: Path, wait: timedelta) -> list[str]:
        """The arguments of Python. Isolated mode keeps out modules that the agent could place on its import path."""
        return ["-I", "-m", "bot", "hook", self.name, "--gate", str(gate), "--wait", f"{_seconds(wait)}s"]

    def guarded(self, gate: Path, wait: timedelta) -> str:
        """The command as one text that works in every shell, for a client that takes such a text."""
        words = [sys.executable, *self.arguments(gate, wait)]
        return shlex.join(["/bin/sh", "-c", _GUARD, "countersign", *words])

    @staticmethod
    def limit(wait: timedelta) -> int:
        """Seconds after which the client may end the hook. The hook ends itself before that."""
        return _seconds(wait) + SPARE


def run_of(call: Mapping[str, Any]) -> str:
    """The client's session, if the server accepts it as the name of a run; else None."""
    session = call.get("session_id")
    return session if isinstance(session, str) and _RUN.fullmatch(session) else ""


def text(call: Mapping[str, Any], name: str) -> str:
    """The value of a required text field. Raises `CallJsonError`."""
    found = call.get(name)
    if not isinstance(found, str):
        raise CallJsonError(f"has no {name}")
    return found


def arguments_of(call: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments of the call; some clients write them as JSON in a text. Raises `CallJsonError`."""
    found = call.get(name)
    if isinstance(found, str):
        found = parse(found.encode(errors="surrogatepass"))
    if not isinstance(found, dict):
        raise CallJsonError(f"has no {name}")
    return found


def event(call: Mapping[str, Any], name: str) -> None:
    """Checks the hook's name in the input. Raises `CallJsonError` for the input of another hook."""
    if call.get("hook_event_name") != name:
        raise CallJsonError(f"is not the input of a {name} hook")


def shell_command(arguments: Mapping[str, Any], harmless: Collection[str]) -> str | None:
    """The `command` of a shell tool; None if it has an argument that is not known to be harmless."""
    found = arguments.get("command")
    known = arguments.keys() <= {"command", *harmless}
    return found if known and isinstance(found, str) else None


def _seconds(wait: timedelta) -> int:
    return math.ceil(wait.total_seconds())
