"""Figures of the hub for its operators: what has not ended, and what is queued. They name nobody."""

import json
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from orchestration.hub.errors import InvalidError
from orchestration.hub.storage.sql import Q

# The custom statuses that are read, of what has not ended and is oldest. To read one takes some 40 µs.
LOOKED_AT: Final = 2000
# Groups that are told. Names and statuses come from whoever starts instances.
_GROUPS: Final = 1000
# Seconds for which what was read serves, and how many times longer than it took: with much that waits it is read less
# often, so that this takes a twentieth of one processor at most.
_SERVES_S: Final = 10.0
_SERVES_TIMES: Final = 20.0
_MOST_PATHS: Final = 3
_LONGEST_SUFFIX: Final = 100


class FiguresRequest(NamedTuple):
    """How to group what has not ended: what is asked for.

    `said` are JSON paths of the custom status, whose values make the groups beside the name of the orchestration, and
    `times` paths of times in it, in ISO 8601. Of what is not among the oldest, the custom status is not read: the first
    value is then the ID without its last `suffix` characters, and all others are null.
    """

    said: list[str]
    times: list[str]
    suffix: int

    @classmethod
    def of(cls, request: bytes) -> "FiguresRequest":
        """What a request asks for: the JSON object of these three. Raises InvalidError."""
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
    """What has not ended, in groups. What was read serves for a while, whoever asks."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is in seconds, of any clock that only goes forward."""
        self._now = now
        self._kept: tuple[FiguresRequest, float, list[dict[str, Any]]] | None = None

    def read(self, db: sqlite3.Connection, wanted: FiguresRequest) -> list[dict[str, Any]]:
        """Of each group its `name`, what it has `said`, the `count`, when the oldest was `created_at`, and the `times`.

        `created_at` is in microseconds. Of `times` each is the smallest text at its path, null where there is none.
        Raises InvalidError where a path is none.
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
    """As many as the statement takes; the first stands for those that are not asked for."""
    return {
        f"{name}{number}": path
        for number, path in enumerate([*paths, *paths[:1] * _MOST_PATHS][:_MOST_PATHS])
    }
