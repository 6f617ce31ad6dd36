"""Puts the entry of a hook into a coding agent's settings file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from bot.coding_agents.client import HookClient
from orchestration.domain.errors import CountersignError


class SettingsFileError(CountersignError):
    """The settings file cannot be changed."""


def entry_text(client: HookClient, made: dict[str, Any]) -> str:
    """The text of a settings file with only this entry."""
    section, name = client.place
    return json.dumps({**client.skeleton, section: {name: [made]}}, indent=2)


def add_to_settings(path: Path, client: HookClient, made: dict[str, Any]) -> list[str]:
    """Adds the entry, replacing an earlier one of ours, and returns the message for the user.

    Everything else in the file stays. Raises `SettingsFileError`.
    """
    settings = _read(path)
    for key, value in client.skeleton.items():
        settings.setdefault(key, value)
    section, name = client.place
    hooks = settings.setdefault(section, {})
    if not isinstance(hooks, dict) or not isinstance(hooks.setdefault(name, []), list):
        raise SettingsFileError(f"{path}: {section}.{name} is no list; put the entry in by hand.")
    hooks[name] = [left for one in hooks[name] if (left := _without_ours(one, client)) is not None] + [made]
    _write(path, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")
    said = [f"Written to {path}."]
    if (switch := client.switched_off(settings)) is not None:
        said.append(f"Warning: the file has {switch}, so the hook does not run.")
    if _is_open(path):
        said.append(
            "Warning: others than root can write this file or change its folder, and an agent that runs as one of "
            "them can too. Put it where only an administrator can: see docs/reference/agent-clients.md."
        )
    return said


def _is_open(path: Path) -> bool:
    """Whether users other than root can replace the file. For root itself, `os.access` says nothing."""
    real = path.resolve()
    owned = [one.stat() for one in (real, real.parent)]
    return any(one.st_uid != 0 or one.st_mode & 0o022 for one in owned) or (
        os.geteuid() != 0 and os.access(real, os.W_OK)
    )


def _without_ours(one: Any, client: HookClient) -> Any:
    """The entry without our hook; None where nothing is left. Some clients have several hooks in one entry."""
    if not isinstance(one, dict):
        return one
    group = one.get("hooks")
    if not isinstance(group, list):
        return None if _is_ours(one, client) else one
    others = [hook for hook in group if not _is_ours(hook, client)]
    return one if len(others) == len(group) else {**one, "hooks": others} if others else None


def _is_ours(hook: Any, client: HookClient) -> bool:
    if not isinstance(hook, dict):
        return False
    ours = f" -m bot hook {client.name} "
    words = hook.get("args")
    command = " ".join(map(str, words)) if isinstance(words, list) else str(hook.get("command"))
    return ours in f" {command} "


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
    """Replaces the file in one step; an existing file keeps its mode.

    A new file is readable by all, whatever the umask, and so is a folder that root makes for it: a client that
    cannot read the machine's settings runs without them.
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
