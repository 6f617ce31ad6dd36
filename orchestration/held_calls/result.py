"""The `call_result` orchestration: its input is the recorded result of a call.

A hub starts only one instance of an ID, so the first result of a call is the one that counts. The retention deletes it.
"""

from __future__ import annotations

from datetime import datetime

from durabletask.task import OrchestrationContext

from orchestration.domain.request import Recorded


class CallResult(Recorded):
    """The result of a call, and its time.

    It is encrypted, because it contains whatever a tool reads; None if it is too large. `made` is False if the call was
    claimed, but certainly not made.
    """

    at: datetime
    encrypted: str | None
    made: bool = True


def call_result(_ctx: OrchestrationContext, _given: CallResult) -> None:
    """Does nothing: the instance is the record. It ends in its first turn, and the retention deletes it."""
