"""What files of deployment call settings: whether each is one, and what the server reads from them."""

from __future__ import annotations

from bot import setting_sources

FILES = {f"{name}_FILE": name for name in setting_sources.SECRETS}
KNOWN = setting_sources.SETTINGS | FILES.keys() | {"COUNTERSIGN_CONFIG"}


def secret_names(environment: dict[str, str]) -> set[str]:
    """The secrets that an environment gives by file. An `AssertionError` names what is no setting, or a bare secret."""
    assert not environment.keys() - KNOWN, environment.keys() - KNOWN
    assert not environment.keys() & set(setting_sources.SECRETS), "a secret stands in the environment"
    return {FILES[name] for name in environment if name in FILES}
