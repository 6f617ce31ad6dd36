"""The limits of open requests, in a module of their own so that reading the settings imports no workflow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OpenLimits:
    """How many requests may be open at once: of one person without a token, and of one API token."""

    per_person: int = 100
    per_token: int = 500
