"""What people see of a gathering: the card and its thread, the questions to people, and notices.

Before anything is posted again, an earlier post is looked for; all copies but one are deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Final

from orchestration.approval.outbox_items import PostReply, RemoveCopies
from orchestration.approval.posts import MESSAGES_RETRIED_FOR
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.effects import Delivery
from orchestration.domain.gathering import GatheringPost, Purpose
from orchestration.domain.request import CardRef
from orchestration.durable.outbox import Outbox
from orchestration.durable.post_try import COPIES_AFTER
from orchestration.gathering.outbox_items import AnyGatheringItem, AskSystem, EditGathering, PostGathering
from orchestration.gathering.record import CARD, GatheringRecord

ENDED: Final = "ended"
ESCALATION: Final = "escalation"
MISSING: Final = "Answers are missing"
PROBLEM: Final = 300  # characters of a reason for a failure
REMINDERS_LOOKED_FOR: Final = 2  # the newest; older ones are on record, or were not posted
# These messages are edited to stay up to date; the others are posted once.
KEPT: Final = frozenset({Purpose.CARD, Purpose.ASK, Purpose.REMIND, Purpose.ESCALATION})


class GatheringPosts:
    """Puts into the outbox what people see of one gathering.

    With `maybe_done`, another orchestration may already have posted how it ended.
    """

    def __init__(
        self,
        record: GatheringRecord,
        outbox: Outbox[AnyGatheringItem, Delivery],
        now: Callable[[], datetime],
        *,
        maybe_done: bool,
    ) -> None:
        self._record = record
        self._outbox = outbox
        self._now = now
        self._maybe_done = maybe_done

    def post_card(self) -> None:
        """Posts the card, and sends each system that has an address its question."""
        policy = self._record.policy
        self._post(CARD, Purpose.CARD, policy.channel)
        for name, source in policy.sources.items():
            if source.post is not None:
                self._outbox.put(f"system:{name}", AskSystem(source=name, give_up=self._left()))

    def ask_people(self) -> None:
        """Asks the person of each source, or their delegate."""
        for name in self._record.policy.sources:
            if (person := self._record.asked_for(name)) is not None:
                self._ask(name, person)

    def ask_delegates(self, absent: Collection[str]) -> None:
        """Announces the delegates of these people, and asks each delegate. The people's own messages also name them."""
        record = self._record
        for person in absent:
            self.post_reply(StepKind.ASKED_INSTEAD, actor=person, to=record.state.delegates[person])
        for name in record.missing:
            delegate = record.asked_for(name)
            if delegate is not None and record.policy.sources[name].person in absent:
                self._ask(name, delegate)
                self.refresh_after(name)

    def remind(self, but: Collection[str] = ()) -> None:
        """Reminds everybody who is asked and has not answered, except `but`, by a message with the same button."""
        record = self._record
        record.state.reminded += 1
        people = []
        for name in record.missing:
            person = record.asked_for(name)
            if person is not None and record.policy.sources[name].person not in but:
                people.append(person)
                self._post(f"remind:{name}:{record.state.reminded}", Purpose.REMIND, person, source=name)
        if people:
            self.post_reply(StepKind.REMINDED, people=list(dict.fromkeys(people)))

    def escalate(self) -> None:
        """Tells the escalation's channel whose answers are missing. That message is never edited."""
        escalation = self._record.policy.escalation
        if escalation is None:
            raise AssertionError("nothing escalates without a place for it")
        self._record.state.escalated_at = self._now()
        self._post(ESCALATION, Purpose.ESCALATION, escalation.channel)
        self.post_reply(StepKind.ESCALATED, place=escalation.channel, text=MISSING)

    def refresh(self) -> None:
        """Edits every posted message to what is true now."""
        for post in self._record.state.posts:
            self._edit(post)

    def refresh_after(self, source: str) -> None:
        """Edits the card and the messages about that source to show its answer. The others do not show it."""
        for post in self._record.state.posts:
            if post.source in {None, source}:
                self._edit(post)

    def post_reply(self, kind: StepKind, **what: object) -> Step:
        """Adds a line to the thread under the card. Until the card is posted, lines are held."""
        step = self._record.step(kind, self._now(), **what)
        if self._record.card is None:
            self._record.state.held_replies.append(step)
        else:
            self._put_reply(step)
        return step

    def post_end(self) -> None:
        """Tells the thread and the requester of the end, and edits every posted message to show it."""
        state = self._record.state
        missing = [self._record.policy.title_of(name) for name in self._record.missing]
        self.post_reply(StepKind.GATHERED, actor=state.ended_by, text=state.reason, people=missing)
        self.refresh()
        self._post(ENDED, Purpose.ENDED, self._record.request.requester, maybe_done=self._maybe_done)

    def look_for_posts(self, looks: int) -> None:
        """Edits messages that may have been posted as the instance ended. Posts the card if it is missing.

        A post may still be on its way, so a message that is not found is looked for `looks` times in all.
        """
        posted = {post.message_id for post in self._record.state.posts}
        if CARD not in posted:
            self._post(CARD, Purpose.CARD, self._record.policy.channel, maybe_done=True)
        for source, place, message_id in self._maybe_posted():
            if message_id not in posted:
                self._outbox.put(
                    f"post:{message_id}",
                    PostGathering(
                        message_id=message_id,
                        purpose=_purpose(message_id),
                        place=place,
                        source=source,
                        person=place if source is not None else None,
                        maybe_done=True,
                        only_if_found=True,
                        looks_left=looks - 1,
                        give_up=self._record.policy.edits_retried_for,
                    ),
                )

    def _maybe_posted(self) -> Iterator[tuple[str | None, str, str]]:
        """The messages beside the card that may exist: its source, the person or channel, and the message's ID."""
        record = self._record
        if record.policy.escalation is not None and record.state.escalated_at is not None:
            yield None, record.policy.escalation.channel, ESCALATION
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
        """The ID of the message that asks a person for a source. The message to a delegate has another ID."""
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
        self._outbox.put(f"post:{message_id}", item)

    def _edit(self, post: GatheringPost) -> None:
        item = EditGathering(
            message_id=post.message_id,
            purpose=_purpose(post.message_id),
            source=post.source,
            person=post.person,
            ref=post.ref,
            give_up=self._record.policy.edits_retried_for,
        )
        self._outbox.put(f"post:{post.message_id}", item)

    def _put_reply(self, step: Step) -> None:
        ended_by_another = self._maybe_done and step.kind is StepKind.GATHERED
        item = PostReply(steps=[step], give_up=MESSAGES_RETRIED_FOR, maybe_done=ended_by_another)
        self._outbox.put("post_reply", item)

    def _left(self) -> timedelta:
        return max(self._record.state.deadline - self._now(), timedelta(seconds=1))

    def _look_again(self, item: PostGathering) -> None:
        if item.looks_left:
            later = item.model_copy(update={"looks_left": item.looks_left - 1})
            self._outbox.put(f"look:{item.message_id}", later, after=COPIES_AFTER)

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
        self._outbox.put(f"copies:{what}", item, after=COPIES_AFTER)

    def _note_problem(self, source: str, problem: str) -> None:
        if source not in self._record.state.answers:
            self._record.state.problems[source] = problem[:PROBLEM]
            self.refresh_after(source)

    def _forget_problem(self, source: str | None) -> None:
        """Removes the source's problem, because it could be asked after all."""
        if source is not None and self._record.state.problems.pop(source, None) is not None:
            self.refresh_after(source)

    def _tell_trouble(self, what: str, words: str) -> None:
        """Tells the policy's owner what keeps failing; without an owner, the requester."""
        to = self._record.policy.owner or self._record.request.requester
        self._post(f"trouble:{what}", Purpose.TROUBLE, to, text=words[:PROBLEM])

    def _not_asked(self, item: PostGathering | AskSystem, source: str, problem: str) -> None:
        """Reports a source that cannot be asked. If a delegate cannot be reached, asks the absent person instead."""
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


def _purpose(message_id: str) -> Purpose:
    return Purpose(message_id.partition(":")[0])
