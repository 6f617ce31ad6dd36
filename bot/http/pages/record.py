"""Collects all that is known of one request for its page, from the instance and its durable history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from durabletask import history as past
from pydantic import ValidationError

from bot.http.api.timeline import TimelineEntry, timeline_entries
from orchestration.approval.state import ApprovalInput
from orchestration.domain.cards import StepKind
from orchestration.domain.commands import Progress
from orchestration.domain.effects import PostReplyInput
from orchestration.domain.fields import FieldType
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Remark, RemarkKind
from orchestration.service.approvals import ApprovalService
from orchestration.service.operations import Operations
from orchestration.service.wrong_codes import wrong_codes

_REMARKS: Final = {
    StepKind.QUESTION: RemarkKind.QUESTION,
    StepKind.ANSWER: RemarkKind.ANSWER,
    StepKind.COMMENT: RemarkKind.COMMENT,
}


@dataclass(frozen=True)
class RequestRecord:
    """All that is known of one request. `remarks` and `timeline` are oldest first."""

    request: ApprovalRequest
    policy: Policy
    progress: Progress
    remarks: list[Remark]
    timeline: list[TimelineEntry]

    def named(self) -> list[str]:
        """Every person, group and channel whose ID is on the page, each once.

        Only the first ones may get a name. So the requester and the deciders come first. Group members come last, as
        their names are of the least use.
        """
        progress, levels = self.progress, self.progress.levels
        found = [self.request.requester]
        found += [vote.actor for level in levels for vote in level.decisions]
        found += [progress.outcome.processed_by] if progress.outcome and progress.outcome.processed_by else []
        for level in levels:
            found += [*level.approvers, *level.waiting_for, *level.delegates, *level.delegates.values()]
            found += [level.escalated_to] if level.escalated_to else []
        named = [spec.name for spec in self.policy.fields if spec.type is FieldType.PERSON]
        found += [self.request.fields[name] for name in named if self.request.fields.get(name)]
        for edit in progress.edits:
            found += [edit.actor, *edit.voided]
        found += [remark.actor for remark in self.remarks]
        found += [action.label for action in progress.actions]
        found += [one for entry in self.timeline for one in (entry.actor, entry.channel) if one]
        groups = [group for entry in self.timeline for group in (entry.members or {}).items()]
        found += [group for group, _ in groups]
        found += [member for _, members in groups for member in members]
        return list(dict.fromkeys(found))


async def read_record(service: ApprovalService, operations: Operations, request_id: str) -> RequestRecord:
    """Returns the request as it is now. Raises `UnknownRequestError` or `HubUnavailableError`."""
    view = await service.view(request_id)
    progress = await operations.with_reconciled(view.progress)
    events = await operations.whole_history(progress)
    wrong = await wrong_codes(operations, events)
    return RequestRecord(
        view.request,
        view.policy,
        progress,
        remarks_in(events),
        timeline_entries(events, progress.verdicts, wrong, memberships=True),
    )


def remarks_in(events: Iterable[past.HistoryEvent]) -> list[Remark]:
    """Returns the questions, answers and comments that were accepted, oldest first.

    Anyone may raise an event, so they are read from what the orchestration itself wrote into the card's thread. From an
    earlier generation, only those that it carried over are there.
    """
    # A try that failed is scheduled again, and what was carried over may still be on its way to the thread.
    found: dict[tuple[str, RemarkKind, datetime], Remark] = {}
    for event in events:
        for remark in _remarks_in(event):
            found.setdefault((remark.actor, remark.kind, remark.at), remark)
    return list(found.values())


def _remarks_in(event: past.HistoryEvent) -> Iterator[Remark]:
    if isinstance(event, past.ExecutionStartedEvent):
        yield from _carried(event.input)
    elif isinstance(event, past.TaskScheduledEvent) and event.name == "post_reply":
        for step in PostReplyInput.model_validate_json(event.input or "").steps:
            if step.kind in _REMARKS and step.actor:
                yield Remark(actor=step.actor, kind=_REMARKS[step.kind], text=step.text, at=step.at)


def _carried(text: str | None) -> Iterator[Remark]:
    try:
        given = ApprovalInput.model_validate(json.loads(text or "null"))
    except (ValueError, ValidationError, RecursionError):
        return  # `reconcile` has no remarks of its own
    yield from given.state.remarks if given.state else ()
