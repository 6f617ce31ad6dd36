"""The `call_result` orchestration: that it was started is the record of what came of a call.

A hub starts one instance of an ID, so the first result of a call is the one that counts. The retention forgets it.
"""

from __future__ import annotations

from datetime import datetime

from durabletask.task import OrchestrationContext

from orchestration.domain.request import Recorded


class CallResult(Recorded):
    """The result of a call, and when.

    It is encrypted, because it holds whatever a tool reads; None if it is too large. `made` is False if the call was
    claimed, and certainly not made.
    """

    at: datetime
    encrypted: str | None
    made: bool = True


def call_result(_ctx: OrchestrationContext, _given: CallResult) -> None:
    """Does nothing: it ends in its first turn, and is forgotten with the retention."""
