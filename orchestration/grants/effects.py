"""What people see of a standing grant: its card, and the thread under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from durabletask.task import OrchestrationContext
from pydantic import BaseModel

from orchestration.approval.outbox_items import PostReply, RemoveCopies
from orchestration.approval.posts import MESSAGES_RETRIED_FOR
from orchestration.domain.cards import Step, StepKind
from orchestration.domain.effects import Delivery, PostReplyInput, RemoveCopiesInput
from orchestration.domain.grant_effects import GrantEditInput, GrantPostInput, GrantView
from orchestration.domain.request import Identity
from orchestration.durable.outbox import Outbox
from orchestration.durable.post_try import COPIES_AFTER
from orchestration.grants.models import AnyGrantItem, EditGrant, GrantInput, GrantState, PostGrant

log = logging.getLogger(__name__)

EDITS_RETRIED_FOR: Final = timedelta(days=3)
CARD: Final = "grant"  # the card's name among the messages of the grant
PROBLEM: Final = 300  # characters


class GrantEffects:
    """Posts and edits the card and its thread. `lost(problem)` is called if the card can never be posted."""

    def __init__(
        self,
        ctx: OrchestrationContext,
        given: GrantInput,
        state: GrantState,
        view: Callable[[], GrantView],
        now: Callable[[], datetime],
        lost: Callable[[str], None],
    ) -> None:
        self._log = ctx.create_replay_safe_logger(log)
        self._given = given.given
        self._stopped = given.stopped
        self._state = state
        self._view = view
        self._now = now
        self._lost = lost
        self._shown: GrantView | None = None
        self.outbox: Outbox[AnyGrantItem, Delivery] = Outbox(ctx, now, state.lanes, self, Delivery)

    def post_card(self) -> None:
        """Posts the card to the channel of the level."""
        self.outbox.put("card", PostGrant(place=self._given.channel, give_up=EDITS_RETRIED_FOR))

    def refresh(self) -> None:
        """Edits the card to what is true now."""
        if self._state.card is not None:
            self.outbox.put(
                "card",
                EditGrant(ref=self._state.card, give_up=EDITS_RETRIED_FOR),
                hurry=self._state.ended is not None,
            )

    def post_reply(self, kind: StepKind, number: int, **what: object) -> None:
        """Adds a line to the thread: a use has its number, the end has 0. Until the card is posted, lines are held."""
        step = Step.model_validate({"number": number, "kind": kind, "at": self._now(), **what})
        if self._state.card is None:
            self._state.held_replies.append(step)
        else:
            self._put_reply(step)

    def tell_without_card(self, problem: str) -> None:
        """Tells the person who gave the grant that it does not count."""
        item = PostGrant(
            place=self._given.facts.granted_by, trouble=problem[:PROBLEM], give_up=MESSAGES_RETRIED_FOR
        )
        self.outbox.put("trouble", item)

    def _put_reply(self, step: Step) -> None:
        item = PostReply(steps=[step], give_up=MESSAGES_RETRIED_FOR, maybe_done=self._stopped)
        # Each line that a stopped instance may have posted is looked for.
        self.outbox.put(f"post_reply:{step.number}" if self._stopped else "post_reply", item)

    # ---- running an item: the outbox asks ----------------------------------------------------------------

    def build(self, item: AnyGrantItem, attempt: int, *, maybe_done: bool) -> tuple[str, BaseModel]:
        """The activity and its input, from the present state."""
        facts, view = self._given.facts, self._view()
        match item:
            case PostGrant(place=place, trouble=trouble):
                if not trouble:
                    self._shown = view
                return "post_grant", GrantPostInput(
                    place=place, trouble=trouble, view=view, attempt=attempt, maybe_done=maybe_done
                )
            case EditGrant(ref=ref):
                return "edit_grant", GrantEditInput(ref=ref, view=view, attempt=attempt)
            case PostReply(steps=steps):
                if self._state.card is None:
                    raise AssertionError("lines wait until the card is posted")
                return "post_reply", PostReplyInput(
                    ref=self._state.card,
                    request_id=facts.id,
                    steps=steps,
                    attempt=attempt,
                    maybe_done=maybe_done,
                )
            case RemoveCopies():
                return "remove_copies", RemoveCopiesInput(
                    request_id=facts.id,
                    identity=Identity(nonce=facts.nonce),
                    place=item.place,
                    ref=item.ref,
                    steps=item.steps,
                    message_id=item.message_id,
                    attempt=attempt,
                )

    def done(self, item: AnyGrantItem, delivery: Delivery) -> None:
        """Handles an item that is done. A second copy that another try may have made is looked for later."""
        match item:
            case PostGrant(trouble="") if delivery.card is not None:
                self._state.card = delivery.card
                held, self._state.held_replies = self._state.held_replies, []
                for step in held:
                    self._put_reply(step)
                if delivery.unsure:
                    copies = RemoveCopies(
                        place=delivery.card.channel,
                        ref=delivery.card,
                        message_id=CARD,
                        give_up=MESSAGES_RETRIED_FOR,
                    )
                    self.outbox.put("copies:card", copies, after=COPIES_AFTER)
                if delivery.unsure or self._view() != self._shown:
                    self.refresh()
            case PostReply(steps=steps) if delivery.unsure and (card := self._state.card) is not None:
                numbers = [step.number for step in steps]
                again = RemoveCopies(
                    place=card.channel, ref=card, steps=numbers, give_up=MESSAGES_RETRIED_FOR
                )
                self.outbox.put(f"copies:step:{numbers[0]}", again, after=COPIES_AFTER)
            case _:
                pass

    def put_off(self, item: AnyGrantItem, attempt: int, problem: str, pause: timedelta) -> None:
        """Handles an item that will be tried again later."""
        self._log.info(
            "%s: %s, try %d: %s; the next in %g s",
            self._given.facts.id,
            item.kind,
            attempt,
            problem,
            pause.total_seconds(),
        )

    def late(self, item: AnyGrantItem, problem: str) -> None:
        """Ends the grant after a minute of failures, because nobody can see it."""
        if isinstance(item, PostGrant) and not item.trouble:
            self._lost(problem)

    def failed(self, item: AnyGrantItem, problem: str) -> None:
        """Handles an item that was given up."""
        if isinstance(item, PostGrant) and not item.trouble:
            self._lost(problem)
        else:
            self._log.warning("%s: %s was given up: %s", self._given.facts.id, item.kind, problem)
