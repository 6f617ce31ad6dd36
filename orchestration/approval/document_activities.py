"""The activity that shows the document of a review."""

from __future__ import annotations

from durabletask.task import ActivityContext

from orchestration.domain.effects import Delivery, PostPreviewInput
from orchestration.durable.once import Once
from orchestration.ports import Intents, Previews


class DocumentActivities:
    """Posts previews through a port. `intents`: see `Once`."""

    def __init__(self, previews: Previews, intents: Intents) -> None:
        self._previews = previews
        self._once = Once(intents)

    def post_preview(self, ctx: ActivityContext, given: PostPreviewInput) -> Delivery:
        """Posts the document once, however often it is called.

        An earlier post is remembered in this process, or looked for in the chat system.
        """
        attempt = self._once.attempt(ctx, given, f"preview {given.ref.ts}")

        def post() -> Delivery:
            self._previews.post_preview(
                given, lambda: attempt.begin(lambda: self._previews.has_preview(given))
            )
            return Delivery()

        return self._once.run(("preview", given.ref.channel, given.ref.ts), attempt, post)
