"""The entry of the hook in the settings of Claude Code, and how it gets into a settings file."""

from __future__ import annotations

import json
import math
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from orchestration.domain.errors import CountersignError

# Seconds that the client gives the hook beyond the time in which people may answer.
SPARE: Final = 30
EVENT: Final = "PreToolUse"
OURS: Final = ["hook", "claude-code"]


class SettingsFileError(CountersignError):
    """The settings file cannot be changed."""


def entry(gate: Path, wait: timedelta) -> dict[str, Any]:
    """The entry for every tool: started without a shell, and blocking where it fails, by whatever it fails.

    Python's isolated mode keeps modules out that the agent could put in its way.
    """
    seconds = math.ceil(wait.total_seconds())
    arguments = ["-I", "-m", "bot", *OURS, "--gate", str(gate), "--wait", f"{seconds}s"]
    hook = {
        "type": "command",
        "command": sys.executable,
        "args": arguments,
        "timeout": seconds + SPARE,
        "onFailure": "block",
        "statusMessage": "Waiting for people to decide",
    }
    return {"matcher": "*", "hooks": [hook]}


def entry_text(made: dict[str, Any]) -> str:
    """The settings that have that entry alone."""
    return json.dumps({"hooks": {EVENT: [made]}}, indent=2)


def add_to_settings(path: Path, made: dict[str, Any]) -> list[str]:
    """Puts the entry in, in the place of an earlier one of ours, and returns what there is to say.

    What else is in the file stays. Raises `SettingsFileError`.
    """
    settings = _read(path)
    hooks = settings.setdefault("hooks", {})
    if not isinstance(hooks, dict) or not isinstance(hooks.setdefault(EVENT, []), list):
        raise SettingsFileError(f"{path}: hooks.{EVENT} is no list; put the entry in by hand.")
    hooks[EVENT] = [one for one in hooks[EVENT] if not _is_ours(one)] + [made]
    _write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    said = [f"Written to {path}."]
    if settings.get("disableAllHooks"):
        said.append("Warning: the file has disableAllHooks, so no hook runs.")
    if _is_open(path):
        said.append(
            "Warning: others than root can write this file or change its folder, and an agent that runs as one of "
            "them can too. Put it where only an administrator can: see docs/guides/agents.md."
        )
    return said


def _is_open(path: Path) -> bool:
    """Whether others than root can put something else there. Root itself is told nothing by `os.access`."""
    real = path.resolve()
    owned = [one.stat() for one in (real, real.parent)]
    return any(one.st_uid != 0 or one.st_mode & 0o022 for one in owned) or (
        os.geteuid() != 0 and os.access(real, os.W_OK)
    )


def _is_ours(one: Any) -> bool:
    hooks = one.get("hooks") if isinstance(one, dict) else None
    return isinstance(hooks, list) and any(
        isinstance(hook, dict) and isinstance(hook.get("args"), list) and hook["args"][3:5] == OURS
        for hook in hooks
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsFileError(f"{path}: cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise SettingsFileError(f"{path}: is not valid JSON; correct it first ({error}).") from error
    if not isinstance(found, dict):
        raise SettingsFileError(f"{path}: is no object in JSON; correct it first.")
    return found


def _write(path: Path, text: str) -> None:
    """Replaces the file in one step, with the mode that it had.

    A new file can be read by all, whatever the umask, and so can a folder that root makes for it: a client that may
    not read the settings of the machine runs without them.
    """
    fresh = path.with_name(f"{path.name}.new")
    try:
        _make_folder(path.parent)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise SettingsFileError(f"{path}: cannot be written ({error.strerror}).") from error


def _make_folder(folder: Path) -> None:
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        folder.chmod(0o755)
