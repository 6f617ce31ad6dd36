"""What a request makes visible: its cards, the trail in their thread, messages to people, the outcome's actions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from orchestration.cards import (
    Card,
    Delivery,
    EditCard,
    Notice,
    PostCard,
    Reply,
    RunAction,
    Step,
    StepKind,
    Tell,
    Waiting,
)
from orchestration.models import ActionState, CardRef
from orchestration.outbox import Effect, Outbox
from orchestration.policies import Action
from orchestration.record import Record

WORDS_RETRIED_FOR: Final = timedelta(days=1)


class Effects:
    """Puts effects into the outbox. What is built, is built when its try starts, from what is true then."""

    def __init__(self, record: Record, outbox: Outbox, now: Callable[[], datetime]) -> None:
        self._record = record
        self._outbox = outbox
        self._now = now
        self._held: list[Step] = []

    # ---- cards -------------------------------------------------------------------------------------------

    def post_card(
        self,
        channel: str,
        notify: list[str],
        *,
        lost: Callable[[str], None],
        posted: Callable[[CardRef], None] = lambda _: None,
    ) -> None:
        """Posts the newest round's card: `posted` gets its place, `lost` the reason when that is impossible."""
        state, round_ = self._record.state, self._record.state.round
        shown: list[Card] = []

        def build(attempt: int, since: datetime) -> PostCard:
            shown[:] = [self._record.card(round_)]
            return PostCard(
                channel=channel, card=shown[0], notify=notify, attempt=attempt, scheduled_at=since
            )

        def done(delivery: Delivery) -> None:
            if delivery.card is None:
                raise AssertionError("a card that was posted has a place")
            state.cards = [*state.cards, delivery.card]
            held, self._held = self._held, []
            for step in held:
                self._reply(step)
            if self._record.card(round_) != shown[0]:  # something happened while the post was under way
                self._refresh(delivery.card)
            posted(delivery.card)

        # While nobody can see the card nobody can decide, so there is no use in trying past the deadline.
        give_up = state.deadline - self._now() if state.deadline else self._record.policy.edits_retried_for
        self._outbox.put(
            f"card:{round_}", Effect("post_card", build, give_up=give_up, done=done, failed=lost)
        )

    def refresh_cards(self) -> None:
        """Every posted copy is to say what is true now."""
        for ref in self._record.state.cards:
            self._refresh(ref)

    def _refresh(self, ref: CardRef) -> None:
        self._outbox.put(
            f"card:{ref.round}",
            Effect(
                "edit_card",
                lambda attempt, _: EditCard(ref=ref, card=self._record.card(ref.round), attempt=attempt),
                give_up=self._record.policy.edits_retried_for,
                failed=lambda problem: self._stale(ref, problem),
                replaceable=True,
            ),
        )

    def _stale(self, ref: CardRef, problem: str) -> None:
        """A copy that could not be made true is reported by name: in the trail, and to the owner."""
        step = self.trail(StepKind.CARD_STALE, text=f"<#{ref.channel}>: {problem}")
        self.tell_owner(Notice.CARD_STALE, step)

    # ---- words -------------------------------------------------------------------------------------------

    def trail(self, kind: StepKind, **what: object) -> Step:
        """One more line in the thread under the first card; what comes before that card waits for it."""
        step = self._record.step(kind, self._now(), **what)
        if self._record.state.cards:
            self._reply(step)
        else:
            self._held.append(step)
        return step

    def _reply(self, step: Step) -> None:
        def build(attempt: int, since: datetime) -> Reply:
            return Reply(
                ref=self._record.state.cards[0],
                request_id=self._record.request_id,
                step=step,
                attempt=attempt,
                scheduled_at=since,
            )

        self._outbox.put("thread", Effect("reply", build, give_up=WORDS_RETRIED_FOR))

    def tell(
        self,
        user: str,
        notice: Notice,
        step: Step | None = None,
        waiting: list[Waiting] | None = None,
    ) -> None:
        """A direct message to one person, about the request as it is now."""
        card = self._record.card(self._record.state.round)
        where = self._record.state.cards[-1] if self._record.state.cards else None
        self._outbox.put(
            f"tell:{user}",
            Effect(
                "tell",
                lambda attempt, _: Tell(
                    user=user,
                    notice=notice,
                    card=card,
                    where=where,
                    step=step,
                    waiting=waiting or [],
                    attempt=attempt,
                ),
                give_up=WORDS_RETRIED_FOR,
            ),
        )

    def tell_requester(self, notice: Notice, step: Step | None = None) -> None:
        """The requester is told at each turn that matters."""
        self.tell(self._record.request.requester, notice, step)

    def tell_owner(self, notice: Notice, step: Step) -> None:
        """The policy's owner hears of what keeps failing; without an owner, the requester does."""
        self.tell(self._record.policy.owner or self._record.request.requester, notice, step)

    # ---- the outcome's actions ---------------------------------------------------------------------------

    def run_actions(self) -> None:
        """What the policy says an outcome does; each result goes on the card."""
        state = self._record.state
        actions = self._record.policy.on.get(state.status, [])  # type: ignore[call-overload]  # an ended status
        state.actions = [ActionState(label=action.label) for action in actions]
        for index, action in enumerate(actions):
            self._run(index, action)

    def retry_actions(self) -> bool:
        """Runs again what failed; False when nothing did."""
        state = self._record.state
        failed = [index for index, action in enumerate(state.actions) if action.status == "failed"]
        for index in failed:
            state.actions[index] = state.actions[index].model_copy(update={"status": "pending"})
            self._run(index, self._record.policy.on[state.status][index])  # type: ignore[index]  # as above
        return bool(failed)

    def _run(self, index: int, action: Action) -> None:
        record = self._record
        outcome = record.outcome()
        # The key is the same over all tries and retries, so that the other side can tell a repeat.
        key = f"{record.request_id}:{outcome.status}:{index}"
        asked = record.request.model_dump(mode="json", exclude={"idempotency_key", "timeout"})
        event: dict[str, object] = {
            "type": f"approval.{outcome.status}",
            "timestamp": outcome.processed_at.isoformat(),
            "data": {"request": asked, "outcome": outcome.model_dump(mode="json", by_alias=True)},
        }

        def settle(status: str, answer: str) -> None:
            record.state.actions[index] = ActionState(label=action.label, status=status, answer=answer[:300])
            kind = StepKind.ACTION_DONE if status == "done" else StepKind.ACTION_FAILED
            step = self.trail(kind, to=action.label, text=answer[:300])
            self.refresh_cards()
            if status == "failed":
                self.tell_owner(Notice.ACTION_FAILED, step)

        def build(attempt: int, _: datetime) -> RunAction | Tell:
            if action.notify:
                where = record.state.cards[0] if record.state.cards else None
                card = record.card(record.state.round)
                return Tell(
                    user=action.notify, notice=Notice.OUTCOME, card=card, where=where, attempt=attempt
                )
            return RunAction(
                post=action.post, activity=action.activity, key=key, event=event, attempt=attempt
            )

        self._outbox.put(
            f"action:{index}",
            Effect(
                "tell" if action.notify else "run_action",
                build,
                give_up=record.policy.actions_retried_for,
                done=lambda delivery: settle("done", delivery.answer),
                failed=lambda problem: settle("failed", problem),
            ),
        )
