"""The effects of a gathering: the input of each item of its outbox, and what follows when it is done or given up."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval.outbox_items import (
    NotifyInstance,
    PostReply,
    SendCallback,
    SendResponse,
)
from orchestration.approval.outcome_effects import RECEIPT_RETRIED_FOR, programs_told
from orchestration.domain.cards import StepKind
from orchestration.domain.effects import Delivery
from orchestration.domain.gathering import GatheringPost, GatheringView
from orchestration.durable.outbox import Outbox
from orchestration.gathering import projection
from orchestration.gathering.activity_inputs import GatheringInputs
from orchestration.gathering.outbox_items import (
    AnyGatheringItem,
    AskSystem,
    EditGathering,
    PostGathering,
    RecordGathering,
)
from orchestration.gathering.posts import KEPT, PROBLEM, GatheringPosts
from orchestration.gathering.record import CARD, GatheringRecord

log = logging.getLogger(__name__)


class GatheringEffects(GatheringPosts):
    """The posts and calls of a gathering. The input of an item is made when its try starts. See `GatheringPosts`."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        record: GatheringRecord,
        now: Callable[[], datetime],
        *,
        maybe_done: bool = False,
    ) -> None:
        self._log = ctx.create_replay_safe_logger(log)
        self._inputs = GatheringInputs(record)
        self._shown: dict[str, GatheringView] = {}
        self.outbox: Outbox[AnyGatheringItem, Delivery] = Outbox(ctx, now, record.state.lanes, self, Delivery)
        super().__init__(record, self.outbox, now, maybe_done=maybe_done)

    def tell_of_end(self) -> None:
        """Tells the thread and the requester of the end, and the programs once it is on record."""
        self.post_end()
        state = self._record.state
        if state.record_pending:
            self.outbox.put("record_gathering", RecordGathering(give_up=RECEIPT_RETRIED_FOR))
        elif state.record:
            self._goes_out()

    def _goes_out(self) -> None:
        for lane, item in programs_told(self._record.request):
            self.outbox.put(lane, item)

    # ---- running an item: the outbox asks ----------------------------------------------------------------

    def build(self, item: AnyGatheringItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity and its input, from the present state."""
        if isinstance(item, PostGathering):
            self._shown[item.message_id] = projection.view_for(self._record, item.source)
        return self._inputs.build(item, attempt, maybe_done=maybe_done)

    def done(self, item: AnyGatheringItem, delivery: Delivery) -> None:
        """Handles an item that is done. A second copy that another try may have made is looked for later."""
        match item:
            case PostGathering():
                self._posted(item, delivery)
                self._forget_problem(item.source)
            case AskSystem(source=source):
                self._forget_problem(source)
            case PostReply(steps=steps) if delivery.unsure and (card := self._record.card) is not None:
                numbers = [step.number for step in steps]
                self._remove_copies(f"step:{numbers[0]}", card.channel, ref=card, steps=numbers)
            case RecordGathering():
                self._record.state.record_pending, self._record.state.record = False, delivery.answer
                self._goes_out()
            case _:
                pass

    def _posted(self, item: PostGathering, delivery: Delivery) -> None:
        if delivery.card is None:
            if item.only_if_found:
                self._look_again(item)
                return
            raise AssertionError("what was posted has a place")
        ref = delivery.card
        if delivery.unsure:
            stays = ref if item.purpose in KEPT else None
            self._remove_copies(
                f"message:{item.message_id}", item.place, ref=stays, message_id=item.message_id
            )
        if item.purpose not in KEPT:
            return
        post = GatheringPost(message_id=item.message_id, source=item.source, person=item.person, ref=ref)
        self._record.state.posts.append(post)
        if item.message_id == CARD:
            held, self._record.state.held_replies = self._record.state.held_replies, []
            for step in held:
                self._put_reply(step)
        # A copy from another try shows an older state.
        now_true = projection.view_for(self._record, item.source)
        if delivery.unsure or now_true != self._shown.get(item.message_id):
            self._edit(post)

    def put_off(self, item: AnyGatheringItem, attempt: int, problem: str, pause: timedelta) -> None:
        """Handles an item that will be tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._record.request_id,
            item.kind,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: AnyGatheringItem, problem: str) -> None:
        """Handles an item that has failed for a minute and is still tried. The card shows why it is late."""
        if isinstance(item, PostGathering) and item.message_id == CARD and not self._record.ended:
            self._tell_trouble("late", f"The card could not be posted yet: {problem}")
        elif isinstance(item, (PostGathering, AskSystem)) and item.source and not self._record.ended:
            self._note_problem(item.source, f"it is tried again ({problem})")

    def failed(self, item: AnyGatheringItem, problem: str) -> None:
        """Handles an item that was given up."""
        problem = problem[:PROBLEM]
        match item:
            case PostGathering(message_id="card"):
                self._tell_trouble("card", f"The card could not be posted: {problem}")
            case PostGathering(message_id="escalation", place=place):
                self.post_reply(StepKind.CARD_NOT_POSTED, place=place, text=problem)
                self._tell_trouble("escalation", f"Missing answers could not be told of: {problem}")
            case PostGathering(source=str(source)) | AskSystem(source=source) if not self._record.ended:
                self._not_asked(item, source, problem)
            case EditGathering(ref=ref):
                self.post_reply(StepKind.CARD_STALE, place=ref.channel, text=problem)
            case RecordGathering():
                self._record.state.record_pending = False
                self._tell_trouble(
                    "unrecorded", f"The result was not put on record, so nobody is sent it: {problem}"
                )
            case SendCallback():
                self._record.state.callback_failed = True
                where = self._record.request.callback_url
                self.post_reply(StepKind.ACTION_FAILED, to=where, text=problem)
                self._tell_trouble("callback", f"The callback was given up: {problem}")
            case SendResponse():
                target = self._record.request.respond
                instance_id = target.instance_id if target else None
                where = f"orchestration {instance_id}" if instance_id else self._record.request.responds_to
                self.post_reply(StepKind.ACTION_FAILED, to=where, text=problem)
                self._tell_trouble("response", f"Who waits for the result was not sent it: {problem}")
            case NotifyInstance():
                self._tell_trouble("notify", f"The orchestration that asked was not told: {problem}")
            case _:
                self._log.warning("%s: %s was given up: %s", self._record.request_id, item.kind, problem)
