"""The `post_intent` orchestration: that it was started is the record that a process was about to post something.

A hub starts one instance of an ID, whatever becomes of it. So of all workers that are given one try of a post, at
whatever times, exactly one starts it, before it posts. Every other one finds it, and looks first.
"""

from __future__ import annotations

import hashlib

from durabletask.task import OrchestrationContext

from orchestration.domain.names import IdPrefix
from orchestration.domain.request import Recorded


class PostIntent(Recorded):
    """One try: an activity by the IDs of its instance and of its task, and what it posts.

    A later generation of an instance counts its tasks from the beginning. With `what` two of them are seldom taken for
    one another, and then only looked for in vain.
    """

    instance: str
    task: int
    what: str

    def id(self) -> str:
        """The ID of the instance that is its record."""
        said = "\n".join((self.instance, str(self.task), self.what))
        return f"{IdPrefix.POST_INTENT}-{hashlib.sha256(said.encode()).hexdigest()[:40]}"


def post_intent(_ctx: OrchestrationContext, _given: PostIntent) -> None:
    """Does nothing: it ends in its first turn, and is forgotten with the retention."""
