"""The activity that shows the document of a review."""

from __future__ import annotations

from collections.abc import Callable

from durabletask.task import ActivityContext

from orchestration.domain.effects import Delivery, PostPreviewInput
from orchestration.durable.delivery import deliver
from orchestration.ports import Previews


class DocumentActivities:
    """Bound to the outside through a port. `may_have_run`: as in `ApprovalActivities`."""

    def __init__(self, previews: Previews, *, may_have_run: Callable[[str, int], bool]) -> None:
        self._previews = previews
        self._may_have_run = may_have_run

    def post_preview(self, ctx: ActivityContext, given: PostPreviewInput) -> Delivery:
        """Shows the document once: where another try may have shown it, that is looked for first."""
        look = given.maybe_done or self._may_have_run(ctx.orchestration_id, ctx.task_id)

        def post() -> Delivery:
            if not (look and self._previews.has_preview(given)):
                self._previews.post_preview(given)
            return Delivery()

        return deliver(post)
