"""What waits for a person, in the order in which it has to be decided."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def most_urgent(deadlines: Iterable[tuple[str, datetime | None]]) -> list[str]:
    """Request IDs, by deadline. Those without one come last. The order of equals is kept."""
    return [one for one, _ in sorted(deadlines, key=lambda item: (item[1] is None, item[1] or _NEVER))]
