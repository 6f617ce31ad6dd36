"""The sizes and instance IDs that the hub accepts.

They are those of Durable Task Scheduler, so a program that runs here runs there.
"""

import re
from typing import Final

from orchestration.hub.errors import InvalidError

# Bytes of UTF-8 of each input, output, event, custom status and entity state.
PAYLOAD: Final = 1024 * 1024

# Bytes of a work item. The SDK's worker takes messages of 4 MiB, so a longer history could never reach it.
WORK_ITEM: Final = 4 * 1024 * 1024 - 64 * 1024

# Bytes of an instance's history and of what waits in its inbox. The rest of a work item is for what cannot be refused:
# small results, timers, failures.
HISTORY: Final = WORK_ITEM - 256 * 1024

# Bytes of the new events of one turn; the rest waits for the next turn.
TURN_EVENTS: Final = 2 * 1024 * 1024

# Bytes of the state and the operations in one batch of an entity; the other operations wait for the next batch. Each
# payload that goes into a batch has its own limit, so a batch of one operation always fits.
BATCH: Final = WORK_ITEM - 64 * 1024

# The error type of a failure that reports a payload over its limit.
TOO_LARGE: Final = "PayloadTooLarge"

_ID: Final = re.compile(r"[!-?A-~ ][ -~]{0,99}")


class Room:
    """The room that is left in one message. The first event always fits."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._empty = True

    def is_over(self, event: bytes) -> bool:
        """Take room for an event; returns whether it does not fit."""
        self._left -= len(event)
        over = self._left < 0 and not self._empty
        self._empty = False
        return over


def too_large(payload: str | None) -> int | None:
    """The payload's size in bytes if it exceeds the limit, else None."""
    if payload is None or len(payload) * 4 <= PAYLOAD:
        return None
    size = len(payload.encode())
    return size if size > PAYLOAD else None


def too_long_message(size: int) -> str:
    """The sentence that refuses what would make a history of `size` bytes."""
    return (
        f"The history would have {size:,} bytes, and at most {HISTORY:,} can be sent to a worker. Pass references to "
        "what is large, have sub-orchestrations do parts of the work, or use continue_as_new."
    )


def id_problem(instance_id: str) -> str | None:
    """What is wrong with an instance ID, as a sentence, or None."""
    if _ID.fullmatch(instance_id):
        return None
    return (
        f"The instance ID {instance_id[:120]!r} is not allowed: it must be 1 to 100 printable ASCII "
        "characters, the first of them not '@'."
    )


def instance_id(value: str) -> str:
    """The ID as given. Raises InvalidError where it is not allowed."""
    problem = id_problem(value)
    if problem is not None:
        raise InvalidError(problem)
    return value
