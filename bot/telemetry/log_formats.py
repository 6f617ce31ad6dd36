"""The log formats that the setting may name."""

from __future__ import annotations

from typing import Final

JSON: Final = "json"
TEXT: Final = "text"
FORMATS: Final = (JSON, TEXT)
