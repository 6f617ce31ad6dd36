"""The order in which a person has to decide the requests that wait for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


def most_urgent(deadlines: Iterable[tuple[str, datetime | None]]) -> list[str]:
    """The request IDs by deadline; those without one last. Equal ones keep their order."""
    return [one for one, _ in sorted(deadlines, key=lambda item: (item[1] is None, item[1] or _NEVER))]
