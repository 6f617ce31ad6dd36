"""The forms of a line of the log, for whoever reads the setting."""

from __future__ import annotations

from typing import Final

JSON: Final = "json"
TEXT: Final = "text"
FORMATS: Final = (JSON, TEXT)
