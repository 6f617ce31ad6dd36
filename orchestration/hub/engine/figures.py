"""Figures of the hub for its operators: what has not ended, in groups. No group names a person."""

import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from orchestration.hub.errors import InvalidError
from orchestration.hub.storage.sql import Q

# Of how many unfinished instances, the oldest first, the custom status is read. Each takes about 40 µs.
LOOKED_AT: Final = 2000
# The most groups in an answer. Their number has no other limit: clients choose the names and the statuses.
_GROUPS: Final = 1000
# A result is reused for this many seconds, or for this many times as long as reading it took, if that is longer. So
# reading takes a twentieth of one processor at most.
_SERVES_S: Final = 10.0
_SERVES_TIMES: Final = 20.0
_MOST_PATHS: Final = 3
_LONGEST_SUFFIX: Final = 100


class FiguresRequest(NamedTuple):
    """How to group the instances that have not ended.

    `said` are JSON paths in the custom status: instances with the same orchestration name and the same values there
    form a group. `times` are JSON paths of ISO 8601 times in the custom status. The custom status is read of the oldest
    instances only. For the others, the first value is the ID without its last `suffix` characters, and all other values
    are null.
    """

    said: list[str]
    times: list[str]
    suffix: int

    @classmethod
    def of(cls, request: bytes) -> "FiguresRequest":
        """Parse a request: a JSON object with `said`, `times` and `suffix`. Raises InvalidError."""
        try:
            given = json.loads(request)
            found = cls(given["said"], given["times"], given["suffix"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InvalidError("The request is not a JSON object with said, times and suffix.") from error
        for paths in found.said, found.times:
            listed = isinstance(paths, list) and 1 <= len(paths) <= _MOST_PATHS
            if not listed or not all(isinstance(one, str) for one in paths):
                raise InvalidError("said and times are lists of one to three JSON paths.")
        if not isinstance(found.suffix, int) or not 0 <= found.suffix <= _LONGEST_SUFFIX:
            raise InvalidError("suffix is a number of characters up to 100.")
        return found


class Unfinished:
    """The instances that have not ended, in groups. A result is cached for a while, for all callers."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is in seconds, of any clock that only goes forward."""
        self._now = now
        self._kept: tuple[FiguresRequest, float, list[dict[str, Any]]] | None = None

    def read(self, db: sqlite3.Connection, wanted: FiguresRequest) -> list[dict[str, Any]]:
        """Return for each group: `name`, `said`, `count`, `created_at` of its oldest instance, and `times`.

        `created_at` is in microseconds. Each of `times` is the smallest text at its path, or null where there is none.
        Raises InvalidError where a path is not a valid JSON path.
        """
        began = self._now()
        if self._kept is not None and self._kept[0] == wanted and began < self._kept[1]:
            return self._kept[2]
        try:
            groups = _groups(db, wanted)
        except sqlite3.OperationalError as error:
            if "path" not in str(error):
                raise
            raise InvalidError("said and times have to be JSON paths, such as $.status.") from error
        ended = self._now()
        self._kept = (wanted, ended + max(_SERVES_S, _SERVES_TIMES * (ended - began)), groups)
        return groups


def _groups(db: sqlite3.Connection, wanted: FiguresRequest) -> list[dict[str, Any]]:
    values = {**_numbered("said", wanted.said), **_numbered("time", wanted.times)}
    rows = db.execute(Q.unfinished, {**values, "suffix": wanted.suffix, "most": LOOKED_AT, "groups": _GROUPS})
    return [
        {
            "name": row["name"],
            "said": [_text(row[f"said{number}"]) for number in range(len(wanted.said))],
            "count": row["number"],
            "created_at": row["created_at"],
            "times": [_text(row[f"time{number}"]) for number in range(len(wanted.times))],
        }
        for row in rows
    ]


def _text(found: bytes | None) -> str | None:
    return None if found is None else found.decode(errors="replace")


def _numbered(name: str, paths: list[str]) -> dict[str, str]:
    """The parameters for the paths: always as many as the SQL statement takes. The first path fills the unused ones."""
    return {
        f"{name}{number}": path
        for number, path in enumerate([*paths, *paths[:1] * _MOST_PATHS][:_MOST_PATHS])
    }
