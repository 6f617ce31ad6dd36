"""Checks that each setting named in a deployment file exists, and reads them as the server does."""

from __future__ import annotations

from bot import setting_sources

FILES = {f"{name}_FILE": name for name in setting_sources.SECRETS}
KNOWN = setting_sources.SETTINGS | FILES.keys() | {"COUNTERSIGN_CONFIG"}


def secret_names(environment: dict[str, str]) -> set[str]:
    """The secrets that an environment gives by file. Raises `AssertionError` for unknown settings and bare secrets."""
    assert not environment.keys() - KNOWN, environment.keys() - KNOWN
    assert not environment.keys() & set(setting_sources.SECRETS), "a secret stands in the environment"
    return {FILES[name] for name in environment if name in FILES}
