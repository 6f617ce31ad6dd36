"""How long a worker that is alive may take for one work item."""

import re
from datetime import timedelta
from typing import Final

# Nothing that a program does in one piece should take longer; what does take longer is a program that hangs.
WORK_LIMIT: Final = timedelta(hours=24)
_SHORTEST: Final = timedelta(minutes=1)
_LONGEST: Final = timedelta(days=365)
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def parse_work_limit(text: str) -> timedelta:
    """The limit in a text such as `24h`. Raises ValueError with a sentence for the user."""
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text.strip())
    limit = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match is not None else None
    if limit is None or not _SHORTEST <= limit <= _LONGEST:
        raise ValueError(f"{text!r} is not a time from 1m to 365d, such as 90m, 24h or 7d.")
    return limit
