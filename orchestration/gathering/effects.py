"""The effects of a gathering: puts items into its outbox, and says what each becomes when it is done or lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Final

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval.outbox_items import (
    NotifyInstance,
    PostReply,
    RemoveCopies,
    SendCallback,
    SendResponse,
)
from orchestration.approval.outcome_effects import CALLBACKS_RETRIED_FOR, RECEIPT_RETRIED_FOR
from orchestration.approval.posts import COPIES_AFTER, MESSAGES_RETRIED_FOR
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.effects import Delivery
from orchestration.domain.gathering import GatheringPost, GatheringView, Purpose
from orchestration.domain.request import CardRef
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
from orchestration.gathering.record import GatheringRecord

log = logging.getLogger(__name__)

CARD: Final = "card"
ENDED: Final = "ended"
PROBLEM: Final = 300  # characters of why something failed
REMINDERS_LOOKED_FOR: Final = 2  # the newest; an older one is on record, or was not posted
# What stays on screen and is edited; the others say something once.
KEPT: Final = frozenset({Purpose.CARD, Purpose.ASK, Purpose.REMIND})


class GatheringEffects:
    """What is posted, asked and sent. With `maybe_done` another orchestration may have said how it ended."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        record: GatheringRecord,
        now: Callable[[], datetime],
        *,
        maybe_done: bool = False,
    ) -> None:
        self._log = ctx.create_replay_safe_logger(log)
        self._record = record
        self._now = now
        self._maybe_done = maybe_done
        self._inputs = GatheringInputs(record)
        self._shown: dict[str, GatheringView] = {}
        self.outbox: Outbox[AnyGatheringItem, Delivery] = Outbox(ctx, now, record.state.lanes, self, Delivery)

    # ---- what is asked and shown -------------------------------------------------------------------------

    def post_card(self) -> None:
        """Posts the card, and asks each system that has an address."""
        policy = self._record.policy
        self._post(CARD, Purpose.CARD, policy.channel)
        for name, source in policy.sources.items():
            if source.post is not None:
                self.outbox.put(f"system:{name}", AskSystem(source=name, give_up=self._left()))

    def ask_people(self) -> None:
        """Asks the person of each source, or whoever is asked in their place."""
        for name in self._record.policy.sources:
            if (person := self._record.asked_for(name)) is not None:
                self._ask(name, person)

    def ask_delegates(self, absent: Collection[str]) -> None:
        """Says who is asked in the place of these people, and asks each of those. Their own messages say it too."""
        record = self._record
        for person in absent:
            self.post_reply(StepKind.ASKED_INSTEAD, actor=person, to=record.state.delegates[person])
        for name in record.missing:
            delegate = record.asked_for(name)
            if delegate is not None and record.policy.sources[name].person in absent:
                self._ask(name, delegate)
                self.refresh_after(name)

    def remind(self, but: Collection[str] = ()) -> None:
        """Reminds whoever is asked and has not answered, by a message with the same button; nobody of `but`."""
        record = self._record
        record.state.reminded += 1
        people = []
        for name in record.missing:
            if (person := record.asked_for(name)) is not None and record.policy.sources[
                name
            ].person not in but:
                people.append(person)
                self._post(f"remind:{name}:{record.state.reminded}", Purpose.REMIND, person, source=name)
        if people:
            self.post_reply(StepKind.REMINDED, people=list(dict.fromkeys(people)))

    def refresh(self) -> None:
        """Has every posted message edited to what is true now."""
        for post in self._record.state.posts:
            self._edit(post)

    def refresh_after(self, source: str) -> None:
        """The card, and what that source was asked by, say the answer. The others say nothing of it."""
        for post in self._record.state.posts:
            if post.source in {None, source}:
                self._edit(post)

    def post_reply(self, kind: StepKind, **what: object) -> Step:
        """Adds a line to the thread under the card. Lines from before that card wait for it."""
        step = self._record.step(kind, self._now(), **what)
        if self._inputs.card is None:
            self._record.state.held_replies.append(step)
        else:
            self._put_reply(step)
        return step

    def tell_of_end(self) -> None:
        """The thread, the requester and, once it is on record, the programs hear of the end."""
        state = self._record.state
        self.post_reply(
            StepKind.GATHERED, actor=state.ended_by, text=state.reason, people=self._record.missing
        )
        self.refresh()
        self._post(ENDED, Purpose.ENDED, self._record.request.requester, maybe_done=self._maybe_done)
        if state.record_pending:
            self.outbox.put("record_gathering", RecordGathering(give_up=RECEIPT_RETRIED_FOR))
        elif state.record:
            self._goes_out()

    def look_for_posts(self, looks: int) -> None:
        """Edits what may have been posted as the instance ended. The card is posted if it was not.

        Such a post may still be on its way, so what is not found is looked for `looks` times in all.
        """
        posted = {post.message_id for post in self._record.state.posts}
        if CARD not in posted:
            self._post(CARD, Purpose.CARD, self._record.policy.channel, maybe_done=True)
        for source, person, message_id in self._maybe_asked():
            if message_id not in posted:
                self.outbox.put(
                    f"post:{message_id}",
                    PostGathering(
                        message_id=message_id,
                        purpose=_purpose(message_id),
                        place=person,
                        source=source,
                        person=person,
                        maybe_done=True,
                        only_if_found=True,
                        looks_left=looks - 1,
                        give_up=self._record.policy.edits_retried_for,
                    ),
                )

    def _maybe_asked(self) -> Iterator[tuple[str, str, str]]:
        """By which messages each source may have been asked: the source, the person, the message."""
        record = self._record
        newest = record.state.reminded
        for name, source in record.policy.sources.items():
            if source.person is None:
                continue
            asked = [source.person, *filter(None, [record.state.delegates.get(source.person)])]
            for person in asked:
                yield name, person, self._ask_id(name, person)
            for number in range(max(newest - REMINDERS_LOOKED_FOR, 0) + 1, newest + 1):
                yield name, asked[-1], f"{Purpose.REMIND}:{name}:{number}"

    def _ask(self, source: str, person: str) -> None:
        self._post(self._ask_id(source, person), Purpose.ASK, person, source=source)

    def _ask_id(self, source: str, person: str) -> str:
        """The message by which a person is asked for a source. That to a delegate is another one."""
        own = self._record.policy.sources[source].person == person
        return f"{Purpose.ASK}:{source}" if own else f"{Purpose.ASK}:{source}:delegate"

    def _post(
        self,
        message_id: str,
        purpose: Purpose,
        place: str,
        *,
        source: str | None = None,
        text: str = "",
        maybe_done: bool = False,
    ) -> None:
        give_up = self._record.policy.edits_retried_for if purpose in KEPT else MESSAGES_RETRIED_FOR
        item = PostGathering(
            message_id=message_id,
            purpose=purpose,
            place=place,
            source=source,
            person=place if source is not None else None,
            text=text,
            maybe_done=maybe_done,
            give_up=give_up,
        )
        self.outbox.put(f"post:{message_id}", item)

    def _edit(self, post: GatheringPost) -> None:
        item = EditGathering(
            message_id=post.message_id,
            purpose=_purpose(post.message_id),
            source=post.source,
            person=post.person,
            ref=post.ref,
            give_up=self._record.policy.edits_retried_for,
        )
        self.outbox.put(f"post:{post.message_id}", item)

    def _put_reply(self, step: Step) -> None:
        ended_by_another = self._maybe_done and step.kind is StepKind.GATHERED
        item = PostReply(steps=[step], give_up=MESSAGES_RETRIED_FOR, maybe_done=ended_by_another)
        self.outbox.put("post_reply", item)

    def _left(self) -> timedelta:
        return max(self._record.state.deadline - self._now(), timedelta(seconds=1))

    def _goes_out(self) -> None:
        request = self._record.request
        if request.callback_url:
            self.outbox.put("send_callback", SendCallback(give_up=CALLBACKS_RETRIED_FOR))
        if request.notify_instance:
            self.outbox.put("notify_instance", NotifyInstance(give_up=CALLBACKS_RETRIED_FOR))
        if request.respond:
            self.outbox.put("send_response", SendResponse(give_up=CALLBACKS_RETRIED_FOR))

    # ---- running an item: the outbox asks ----------------------------------------------------------------

    def build(self, item: AnyGatheringItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity and its input, from what is true now."""
        if isinstance(item, PostGathering):
            self._shown[item.message_id] = projection.view_for(self._record, item.source)
        return self._inputs.build(item, attempt, maybe_done=maybe_done)

    def done(self, item: AnyGatheringItem, delivery: Delivery) -> None:
        """It was done. What another try may have done too is looked for again."""
        match item:
            case PostGathering():
                self._posted(item, delivery)
                self._forget_problem(item.source)
            case AskSystem(source=source):
                self._forget_problem(source)
            case PostReply(steps=steps) if delivery.unsure and (card := self._inputs.card) is not None:
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
        # The copy of another try says what was true then.
        now_true = projection.view_for(self._record, item.source)
        if delivery.unsure or now_true != self._shown.get(item.message_id):
            self._edit(post)

    def _look_again(self, item: PostGathering) -> None:
        if item.looks_left:
            later = item.model_copy(update={"looks_left": item.looks_left - 1})
            self.outbox.put(f"look:{item.message_id}", later, after=COPIES_AFTER)

    def _remove_copies(
        self,
        what: str,
        place: str,
        *,
        ref: CardRef | None = None,
        steps: list[int] | None = None,
        message_id: str | None = None,
    ) -> None:
        item = RemoveCopies(
            place=place, ref=ref, steps=steps or [], message_id=message_id, give_up=MESSAGES_RETRIED_FOR
        )
        self.outbox.put(f"copies:{what}", item, after=COPIES_AFTER)

    def put_off(self, item: AnyGatheringItem, attempt: int, problem: str, pause: timedelta) -> None:
        """It is tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._record.request_id,
            item.kind,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: AnyGatheringItem, problem: str) -> None:
        """It has failed for a minute, and is still tried. Who waits for it sees why on the card."""
        if isinstance(item, PostGathering) and item.message_id == CARD and not self._record.ended:
            self._tell_trouble("late", f"The card could not be posted yet: {problem}")
        elif isinstance(item, (PostGathering, AskSystem)) and item.source and not self._record.ended:
            self._note_problem(item.source, f"it is tried again ({problem})")

    def failed(self, item: AnyGatheringItem, problem: str) -> None:
        """It will not be done."""
        problem = problem[:PROBLEM]
        match item:
            case PostGathering(message_id="card"):
                self._tell_trouble("card", f"The card could not be posted: {problem}")
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

    def _not_asked(self, item: PostGathering | AskSystem, source: str, problem: str) -> None:
        """Where a delegate cannot be reached, the person who is away is asked all the same."""
        absent = self._record.policy.sources[source].person
        asked = item.person if isinstance(item, PostGathering) else None
        self.post_reply(
            StepKind.SOURCE_NOT_ASKED,
            actor=asked or absent,
            to=self._record.policy.title_of(source),
            text=problem,
        )
        if absent is None or asked in {None, absent}:
            self._note_problem(source, problem)
        elif not any(post.message_id == self._ask_id(source, absent) for post in self._record.state.posts):
            self._ask(source, absent)

    def _note_problem(self, source: str, problem: str) -> None:
        if source not in self._record.state.answers:
            self._record.state.problems[source] = problem[:PROBLEM]
            self.refresh_after(source)

    def _forget_problem(self, source: str | None) -> None:
        """It was asked after all."""
        if source is not None and self._record.state.problems.pop(source, None) is not None:
            self.refresh_after(source)

    def _tell_trouble(self, what: str, words: str) -> None:
        """The policy's owner hears of what keeps failing; without an owner, the requester does."""
        to = self._record.policy.owner or self._record.request.requester
        self._post(f"trouble:{what}", Purpose.TROUBLE, to, text=words[:PROBLEM])


def _purpose(message_id: str) -> Purpose:
    return Purpose(message_id.partition(":")[0])
