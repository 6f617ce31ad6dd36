"""The `reconcile` orchestration: corrects the cards of a request that ended without running its own code.

If an instance is terminated or its code crashes, it runs none of our code. This orchestration does what it would have
done last.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext, when_any

from orchestration.approval import projection
from orchestration.approval.effects import Effects
from orchestration.approval.outbox_items import PostCard
from orchestration.approval.record import Record
from orchestration.approval.state import ApprovalInput, State
from orchestration.approval.status import CUT_SHORT_REASONS, eligible_voters_of
from orchestration.domain.cards import Notice, StepKind
from orchestration.domain.commands import Progress
from orchestration.domain.ids import entity_key
from orchestration.domain.policy import Policy
from orchestration.domain.request import AGENT_RUN, PERSON, Outcome, Recorded, Status
from orchestration.durable import clock
from orchestration.durable.generator import Durable
from orchestration.held_calls.agent_run import RunMember
from orchestration.people.worklist import WorklistUpdates


class ReconcileInput(Recorded):
    """What is known of the ended instance: its input, its last published progress, and how it ended."""

    given: ApprovalInput
    progress: Progress
    status: Status


def reconcile(ctx: OrchestrationContext, ended: ReconcileInput) -> Durable[Outcome]:
    """Edits every posted card, tells the requester, runs the outcome's actions. Returns the Outcome."""

    def now() -> datetime:
        return clock.now(ctx)

    record = _record(ended)
    # If it had its own outcome, it may have told everybody before it was stopped.
    own = record.ended and record.state.status is not ended.status
    effects = Effects(ctx, record, now, maybe_done=own)
    outbox = effects.outbox
    if not record.ended:
        record.end(ended.status, now(), reason=CUT_SHORT_REASONS[ended.status])
    step = effects.post_reply(StepKind.ENDED, status=record.state.status, text=record.state.reason)
    effects.refresh_cards()
    if record.in_digest():
        effects.announce()
    elif record.state.grant is None:  # a request that a grant approved has no card
        for post in _maybe_posted(ended, record.policy):
            outbox.put(f"card:{post.round}", post)
    effects.remove_copies_of_cards()
    if record.state.grant is None:
        effects.tell_requester(Notice.PROGRESS, step)
    effects.outcome.send_outcome()
    for person in (person for level in ended.progress.levels for person in level.waiting_for):
        ctx.signal_entity(EntityInstanceId(PERSON, entity_key(person)), "done", record.request_id)
    WorklistUpdates(ctx, record.request_id).done(list(_named(ended)))
    _leave_run(ctx, record)
    while True:
        outbox.step()
        waits = outbox.waits()
        if not waits:
            return projection.outcome(record)
        yield when_any(waits)


def _leave_run(ctx: OrchestrationContext, record: Record) -> None:
    """Removes the request from its list of calls, so that the list's card does not wait for it."""
    if record.run:
        member = RunMember(request_id=record.request_id, nonce=record.identity.nonce)
        ctx.signal_entity(EntityInstanceId(AGENT_RUN, record.run), "leave", member.model_dump(mode="json"))


def _named(ended: ReconcileInput) -> Iterator[str]:
    """The people and groups whose worklist has the request: those named by the open level and its escalation."""
    if ended.given.policy is not None:
        voters = eligible_voters_of(ended.progress, ended.given.policy, ended.given.request.amount)
        for round_ in voters.rounds:
            delegates = voters.delegates_in(round_)
            yield from (delegates.get(one, one) for one in round_.named)


def _maybe_posted(ended: ReconcileInput, policy: Policy) -> Iterator[PostCard]:
    """The rounds without a known card: a card may have been posted at the moment when the instance ended."""
    seen = ended.progress
    channels: dict[int, str] = {}
    for level, known in zip(policy.levels, seen.levels, strict=False):
        channels[known.round] = level.channel or policy.channel
        if known.escalated_to:
            channels[known.round + 1] = known.escalated_to
    posted = {ref.round for ref in seen.cards}
    for round_, channel in (channels or {1: policy.channel}).items():
        if round_ not in posted and round_ <= seen.round:
            yield PostCard(
                round=round_, channel=channel, notify=[], give_up=policy.edits_retried_for, maybe_done=True
            )


def _record(ended: ReconcileInput) -> Record:
    """The record, made from the published progress."""
    seen = ended.progress
    past = [
        level if level.status.ended else level.model_copy(update={"status": ended.status})
        for level in seen.levels
    ]
    state = State(
        asked_at=seen.asked_at,
        round=seen.round,
        level_index=max(len(past) - 1, 0),
        past_levels=past,
        cards=seen.cards,
        messages=seen.messages,
        edits=seen.edits,
        steps=seen.steps,
        actions=seen.actions,
        receipt_pending=seen.outcome is not None and seen.outcome.receipt is None,
        receipt=seen.outcome.receipt if seen.outcome else None,
        handed_over=seen.handed_over,
        fulfilment_begun=seen.fulfilment_begun,
        escalated=bool(past and past[-1].escalated_to),
    )
    if seen.outcome is not None:  # it was decided, but stopped before it had told everybody
        state.status, state.ended_at = seen.outcome.status, seen.outcome.processed_at
        state.ended_by, state.comments = seen.outcome.processed_by, seen.outcome.comments
        state.reason, state.grant = seen.outcome.reason, seen.outcome.grant
    given = ended.given.model_copy(update={"state": state})
    return Record(seen.request_id, given, seen.asked_at)
