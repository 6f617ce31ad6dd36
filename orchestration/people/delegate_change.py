"""The `delegate_change` orchestration: tells a person that their delegate has changed.

The `person` entity starts it in the same commit as the change, so every change is told, whatever its source, and no
crash can lose the message.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, Literal

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, Task, TaskFailedError, when_any

from orchestration.domain.effects import DelegateChange, Delivery
from orchestration.domain.ids import entity_key
from orchestration.domain.request import PERSON
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.durable.outbox import Lane, Outbox
from orchestration.people.telling import PersonTelling, Tell

RETRIED_FOR: Final = timedelta(days=1)


class TellChange(Tell):
    """Tell the person, by that activity."""

    activity: Literal["tell_delegate_change", "text_delegate_change"]


def delegate_change(ctx: OrchestrationContext, given: DelegateChange) -> Durable[None]:
    """Sends a direct message, and an SMS if a phone is enrolled; tries each for a day."""
    outbox: Outbox[TellChange, Delivery] = Outbox(
        ctx, lambda: clock.now(ctx), dict[str, Lane[TellChange]](), _ChangeTelling(ctx, given), Delivery
    )
    outbox.put("tell", TellChange(activity="tell_delegate_change", give_up=RETRIED_FOR))
    outbox.step()
    asked: Task[Any] = ctx.call_entity(
        EntityInstanceId(PERSON, entity_key(given.person)), "may_text", {"now": clock.now(ctx).isoformat()}
    )
    while not asked.is_complete:
        yield when_any([asked, *outbox.waits()])
        outbox.step()
    try:
        may_text = bool(asked.get_result())
    except TaskFailedError:  # one SMS too many is better than a missing warning
        may_text = True
    if may_text:
        outbox.put("text", TellChange(activity="text_delegate_change", give_up=RETRIED_FOR))
        outbox.step()
    while waits := outbox.waits():
        yield when_any(waits)
        outbox.step()


class _ChangeTelling(PersonTelling):
    def __init__(self, ctx: OrchestrationContext, given: DelegateChange) -> None:
        super().__init__(ctx, given.person)
        self._given = given

    def build(self, item: TellChange, attempt: int, *, maybe_done: bool) -> tuple[str, DelegateChange]:
        given = self._given.model_copy(update={"attempt": attempt, "maybe_done": maybe_done})
        return item.activity, given
