"""What the hook has to know of a coding agent."""

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
# Seconds that the client gives the hook beyond the time in which people may answer.
SPARE: Final = 30
# The status that every client of this kind takes for "the call is blocked".
BLOCKED: Final = 2
# What most of them take for nothing: a hook that was killed, that could not start, or that ends with another status.
# So a shell stands around it, which makes 2 of all that. A reason is needed too, or Codex lets the call through.
_GUARD: Final = '"$@" || { echo "countersign: the call is blocked." >&2; exit 2; }'


@dataclass(frozen=True)
class ClientCall:
    """A call as the client tells of it.

    `command` is the text of a shell command, where the client hands it to a POSIX shell and nothing else in the call
    can change what its words do. It is None wherever that is not certain. `run` is the client's session, where the
    server takes it as a run: it only says which calls are shown together.
    """

    tool: str
    arguments: dict[str, Any]
    directory: str
    server: str = ""
    command: str | None = None
    run: str = ""


@dataclass(frozen=True)
class ClientAnswer:
    """What the hook writes, and how it ends. `err` is a sentence, or empty."""

    status: int
    out: Mapping[str, Any] | None = None
    err: str = ""


class HookClient(ABC):
    """One coding agent whose hook can block a call before it is made.

    `place` is the list in its settings file that takes the entry, `skeleton` what else a new file needs. `can_ask` is
    whether its hook can have it ask whoever sits before it, `takes_changes` whether its hook can have it make the call
    with other arguments.
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
        """The call. Raises `CallJsonError` for what is not the input of its hook."""

    @abstractmethod
    def answer(self, action: CallAction, reason: str) -> ClientAnswer:
        """How it is told to allow, to deny, or to ask whoever sits before it."""

    def changed(self, asked: dict[str, Any], arguments: dict[str, Any], reason: str) -> ClientAnswer:
        """How it is told to make the call with other arguments. Those who cannot be told so never make it."""
        del asked, arguments
        return self.answer(CallAction.DENY, f"{self.title} cannot make a call that people changed. {reason}")

    def command(self, call: ClientCall, arguments: dict[str, Any]) -> str | None:
        """What `command` of the call would be with other arguments, where it can be made with them."""
        del call, arguments
        return None

    @abstractmethod
    def entry(self, gate: Path, wait: timedelta) -> dict[str, Any]:
        """The entry in its settings: for every tool, and blocking where it fails as far as the client can do that."""

    def switched_off(self, settings: Mapping[str, Any]) -> str | None:
        """What in the settings keeps the hook from running, as the end of a sentence; None where there is nothing."""
        return "disableAllHooks" if settings.get("disableAllHooks") else None

    def arguments(self, gate: Path, wait: timedelta) -> list[str]:
        """How Python is called. Its isolated mode keeps modules out that the agent could put in its way."""
        return ["-I", "-m", "bot", "hook", self.name, "--gate", str(gate), "--wait", f"{_seconds(wait)}s"]

    def guarded(self, gate: Path, wait: timedelta) -> str:
        """The command for a client that takes one text for its shell, whichever shell that is."""
        words = [sys.executable, *self.arguments(gate, wait)]
        return shlex.join(["/bin/sh", "-c", _GUARD, "countersign", *words])

    @staticmethod
    def limit(wait: timedelta) -> int:
        """Seconds after which the client may end the hook. The hook ends itself before."""
        return _seconds(wait) + SPARE


def run_of(call: Mapping[str, Any]) -> str:
    """The client's session, if the server accepts it as the name of a run; else None."""
    session = call.get("session_id")
    return session if isinstance(session, str) and _RUN.fullmatch(session) else ""


def text(call: Mapping[str, Any], name: str) -> str:
    """A field that has to be there. Raises `CallJsonError`."""
    found = call.get(name)
    if not isinstance(found, str):
        raise CallJsonError(f"has no {name}")
    return found


def arguments_of(call: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments, which some clients write as JSON in a text. Raises `CallJsonError`."""
    found = call.get(name)
    if isinstance(found, str):
        found = parse(found.encode(errors="surrogatepass"))
    if not isinstance(found, dict):
        raise CallJsonError(f"has no {name}")
    return found


def event(call: Mapping[str, Any], name: str) -> None:
    """Raises `CallJsonError` for the input of another hook."""
    if call.get("hook_event_name") != name:
        raise CallJsonError(f"is not the input of a {name} hook")


def shell_command(arguments: Mapping[str, Any], harmless: Collection[str]) -> str | None:
    """The text of a shell tool's `command`, unless there is an argument that is not known to be harmless."""
    found = arguments.get("command")
    known = arguments.keys() <= {"command", *harmless}
    return found if known and isinstance(found, str) else None


def _seconds(wait: timedelta) -> int:
    return math.ceil(wait.total_seconds())
