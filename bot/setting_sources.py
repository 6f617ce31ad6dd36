"""Collects the settings from the environment, from files for secrets, and from the file of COUNTERSIGN_CONFIG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bot.setting_list import OF_SERVER
from orchestration.domain.errors import CountersignError
from orchestration.domain.toml_lines import TomlError, tables_of

SETTINGS: Final = frozenset(one.name for one in OF_SERVER)
SECRETS: Final = tuple(one.name for one in OF_SERVER if one.secret)


class SettingError(CountersignError):
    """A setting is missing or wrong."""


def sources(environment: Mapping[str, str]) -> list[Mapping[str, str]]:
    """The sources of settings, lowest priority first: the file of COUNTERSIGN_CONFIG, then the environment.

    Raises `SettingError` when the file cannot be used.
    """
    config = environment.get("COUNTERSIGN_CONFIG")
    return [*([_config_file(Path(config).expanduser())] if config else []), environment]


def gather(environment: Mapping[str, str]) -> dict[str, str]:
    """The settings as given, not yet checked. The environment's values replace the file's."""
    given: dict[str, str] = {}
    for source in sources(environment):
        given |= _with_secrets(source)
    return given


def _with_secrets(source: Mapping[str, str]) -> dict[str, str]:
    """The settings of one source, with the secrets that it keeps in files. An empty setting counts as not set."""
    given = {name: value for name in SETTINGS if (value := source.get(name, "").strip())}
    for name in SECRETS:
        if place := source.get(f"{name}_FILE"):
            if name in given:
                raise SettingError(f"{name}: is set, and so is {name}_FILE; keep one of them.")
            try:
                given[name] = Path(place).expanduser().read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                # The value is not repeated: it may be the secret itself by mistake.
                raise SettingError(
                    f"{name}_FILE: names no file that can be read ({_reason(error)}); "
                    "give the path of a file that this user can read."
                ) from error
            if not given[name]:
                raise SettingError(f"{name}_FILE: names a file that is empty; write the secret into it.")
    return given


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """Why a file cannot be read, without its path, which the error text has already."""
    return error.strerror or str(error) if isinstance(error, OSError) else "it is not UTF-8 text"


def _config_file(path: Path) -> dict[str, str]:
    try:
        table = tables_of(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(
            f"COUNTERSIGN_CONFIG: {path} cannot be read ({_reason(error)}); give a file that this user can read."
        ) from error
    except TomlError as error:
        raise SettingError(f"COUNTERSIGN_CONFIG: {path} is not valid TOML; correct it ({error}).") from error
    known = SETTINGS | {f"{name}_FILE" for name in SECRETS}
    for name, value in table.items():
        if name not in known:
            raise SettingError(
                f"COUNTERSIGN_CONFIG: {path} has {name}, which is not a setting; correct its name or remove it."
            )
        if not isinstance(value, str):
            raise SettingError(f"COUNTERSIGN_CONFIG: {name} in {path} must be a string in quotes.")
    return table
