"""Lists what happened to a request, step by step, from its durable history."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from durabletask import history as past
from pydantic import BaseModel, Field, ValidationError

from bot.http.api.timers import Purpose, Timers
from orchestration.challenge.models import ChallengeStatus
from orchestration.domain.cards import StepKind
from orchestration.domain.commands import COMMANDS, Command, Verdict, command_id_of
from orchestration.domain.inert import in_quotes
from orchestration.domain.names import EventName
from orchestration.domain.request import FULFILMENT, SMS_CHALLENGE
from orchestration.service.messages import sentence, why_not_theirs
from orchestration.service.wrong_codes import WrongCode

_Scheduled = past.TaskScheduledEvent | past.SubOrchestrationInstanceCreatedEvent


class TimelineEntry(BaseModel):
    """One step. `kind` says which of the other fields there are."""

    at: datetime
    kind: str
    text: str = Field(description="The step in words")
    actor: str | None = None
    channel: str | None = None
    until: datetime | None = None
    attempt: int | None = None
    timer: Purpose | None = Field(default=None, description="What the timer is for, where that is known")
    members: dict[str, list[str]] | None = Field(
        default=None,
        description="Who was in which group at that moment, as it was looked up, at most 20 of each; "
        "only for tokens with `read` or `admin`",
    )
    member_counts: dict[str, int] | None = Field(
        default=None, description="How many people were in each group of `members`"
    )
    refused: str | None = Field(
        default=None, description="Why a command changed nothing, as its sender was told"
    )


class Timeline(BaseModel):
    """Every step that the hub has on record, oldest first."""

    id: str
    items: list[TimelineEntry]


# The number of group members that a lookup's step lists by ID. The rest are only counted.
MEMBERS_SHOWN: Final = 20
UNDELIVERED: Final = "The message with the code has not arrived: "
# What each activity does, in words. The activity's name is the step's kind; "_failed" or "_put_off" may follow it.
_ACTIVITIES: Final = {
    "post_card": "Card posted",
    "edit_card": "Card edited",
    "post_reply": "Thread reply posted",
    "post_preview": "Document shown",
    "send_message": "Notified",
    "edit_message": "Message edited",
    "remove_copies": "Copies looked for",
    "run_action": "Action run",
    "members": "Group members looked up",
    "active_people": "People looked up",
    "sign_receipt": "Receipt signed",
    "send_callback": "Callback delivered",
    "notify_instance": "Orchestration notified",
    "take_policy": "Policy taken",
    "hand_over": "Handed over to the fulfilment",
    "record_step": "Step put on record",
    "add_to_digest": "Added to the digest",
    "start_grant": "Standing grant begun",
    "check_grant": "Standing grant looked at",
    "tell_use": "Standing grant notified of its use",
}


_SET: Final[Mapping[Purpose | None, str]] = {
    "deadline": "Deadline set:",
    "reminder": "Reminder set:",
    None: "Waiting until",
}
_FIRED: Final[Mapping[Purpose | None, str]] = {
    "deadline": "The deadline was reached",
    "reminder": "A reminder was due",
    None: "The time was up",
}
OVER: Final = "A timer ended that nothing waited for any more"


def timeline_entries(
    events: Iterable[past.HistoryEvent],
    verdicts: Iterable[Verdict] = (),
    wrong_codes: Iterable[WrongCode] = (),
    *,
    memberships: bool = False,
) -> list[TimelineEntry]:
    """Returns the history's events as steps, without the SDK's bookkeeping and duplicates.

    A command's event does not say whether it took effect; the `verdicts` of the request's progress do. Wrong codes are
    in the challenges' own histories. `memberships`: include group members, for callers who may see all requests.
    """
    scheduled: dict[int, _Scheduled] = {}
    timers = Timers()
    refused = {
        (verdict.command_id, verdict.fingerprint): sentence(verdict)
        for verdict in verdicts
        if not verdict.accepted and not verdict.begun
    }
    found: list[TimelineEntry] = []
    for event in events:
        if isinstance(event, past.TaskScheduledEvent | past.SubOrchestrationInstanceCreatedEvent):
            scheduled[event.event_id] = event
        timers.follow(event)
        entry = _timer(event, timers) or _entry(event, scheduled, refused)
        if entry is not None:
            found.append(entry)
    found.extend(_wrong(code) for code in wrong_codes)
    if not memberships:
        for entry in found:
            entry.members = entry.member_counts = None
    # A turn's actions have the time at which the turn ended. Events sent during the turn have earlier times.
    return sorted(found, key=lambda entry: entry.at)


def _wrong(code: WrongCode) -> TimelineEntry:
    left = f"{code.left} {'try' if code.left == 1 else 'tries'} left" if code.left else "no try left"
    return TimelineEntry(
        at=code.at, kind="code_wrong", text=f"A wrong code came in, {left}", actor=code.person
    )


def _timer(event: past.HistoryEvent, timers: Timers) -> TimelineEntry | None:
    match event:
        case past.TimerCreatedEvent():
            at, until = _utc(event.timestamp), _utc(event.fire_at)
            purpose = timers.purpose(event.event_id, event.fire_at)
            text = f"{_SET[purpose]} {until:%Y-%m-%d %H:%M:%S} UTC"
            return TimelineEntry(at=at, kind="waiting", text=text, until=until, timer=purpose)
        case past.TimerFiredEvent():
            at, until = _utc(event.timestamp), _utc(event.fire_at)
            purpose = timers.purpose(event.timer_id, event.fire_at)
            if timers.is_over(event.timer_id, event.fire_at):
                return TimelineEntry(at=at, kind="timer_over", text=OVER, until=until, timer=purpose)
            return TimelineEntry(at=at, kind="timer", text=_FIRED[purpose], until=until, timer=purpose)
    return None


def _entry(  # noqa: C901, PLR0911 - one arm for each kind of event
    event: past.HistoryEvent, scheduled: dict[int, _Scheduled], refused: Mapping[tuple[str, str], str]
) -> TimelineEntry | None:
    at = _utc(event.timestamp)
    match event:
        case past.ExecutionStartedEvent():
            return _started(event, at)
        case past.TaskCompletedEvent():
            return _done(event, scheduled.get(event.task_scheduled_id), at)
        case past.TaskFailedEvent():
            return _failed(event, scheduled.get(event.task_scheduled_id), at)
        case past.SubOrchestrationInstanceCreatedEvent(name=orchestration) if orchestration == SMS_CHALLENGE:
            return TimelineEntry(at=at, kind="code", text="A code by SMS asked for", actor=_challenged(event))
        case past.SubOrchestrationInstanceCompletedEvent() | past.SubOrchestrationInstanceFailedEvent():
            return _answered(event, scheduled.get(event.task_scheduled_id), at)
        case past.EventRaisedEvent():
            return _event(event, at, refused)
        case past.EventSentEvent():
            return TimelineEntry(at=at, kind="event_sent", text=f"{event.name} sent to {event.instance_id}")
        case past.ExecutionSuspendedEvent():
            return TimelineEntry(at=at, kind="suspended", text=event.input or "Suspended")
        case past.ExecutionResumedEvent():
            return TimelineEntry(at=at, kind="resumed", text=event.input or "Resumed")
        case past.ExecutionTerminatedEvent():
            return TimelineEntry(at=at, kind="terminated", text="Stopped by an operator")
        case past.ExecutionCompletedEvent():
            return TimelineEntry(at=at, kind="completed", text="Everything done")
    return None


def _started(event: past.ExecutionStartedEvent, at: datetime) -> TimelineEntry | None:
    given = _json(event.input)
    if event.name == FULFILMENT and given.get("record") is None:
        return TimelineEntry(at=at, kind="fulfilment", text="What follows the approval begins")
    if event.name == FULFILMENT:
        return TimelineEntry(
            at=at, kind="continued", text="Earlier steps are summed up in the state of what follows"
        )
    if "progress" in given:
        return TimelineEntry(at=at, kind="reconcile", text="Making the cards say how it ended")
    request = given.get("request", {})
    if given.get("state"):
        return TimelineEntry(
            at=at, kind="continued", text="Earlier steps are summed up in the request's state"
        )
    actor = request.get("requester")
    return TimelineEntry(
        at=at, kind="asked", text=f"Asked: {in_quotes(str(request.get('title', '')))}", actor=actor
    )


def _challenged(event: past.SubOrchestrationInstanceCreatedEvent) -> str | None:
    """Returns the person whose phone gets the code. No history holds the number itself."""
    target = _json(event.input).get("target")
    user = target.get("user") if isinstance(target, dict) else None
    return user if isinstance(user, str) else None


def _answered(
    event: past.SubOrchestrationInstanceCompletedEvent | past.SubOrchestrationInstanceFailedEvent,
    challenge: _Scheduled | None,
    at: datetime,
) -> TimelineEntry | None:
    """Returns how a challenge by SMS ended."""
    if (
        not isinstance(challenge, past.SubOrchestrationInstanceCreatedEvent)
        or challenge.name != SMS_CHALLENGE
    ):
        return None
    status: str | None = ChallengeStatus.FAILED
    if isinstance(event, past.SubOrchestrationInstanceCompletedEvent):
        status = _json(event.result).get("status")
    actor = _challenged(challenge)
    if status == ChallengeStatus.VERIFIED:
        return TimelineEntry(at=at, kind="code_confirmed", text="The code was confirmed", actor=actor)
    return TimelineEntry(at=at, kind="code_failed", text=f"No confirmation by code: {status}", actor=actor)


def _done(event: past.TaskCompletedEvent, task: _Scheduled | None, at: datetime) -> TimelineEntry | None:
    if not isinstance(task, past.TaskScheduledEvent):
        return None
    kind, words = task.name, _ACTIVITIES.get(task.name, task.name)
    result = _json(event.result)
    if result.get("impossible"):
        kind, words = f"{kind}_failed", f"{words}: impossible, {result['impossible']}"
    elif result.get("retry_after") is not None:
        kind, words = (
            f"{kind}_put_off",
            f"{words}: put off, as asked to wait {round(result['retry_after'], 2):g} s",
        )
    elif result.get("failed"):
        kind, words = f"{kind}_failed", f"{words}: failed, {result['failed']}"
    elif task.name == "post_reply":
        words += _what_reply(task)
    return TimelineEntry(at=at, kind=kind, text=words, **_members(task, result), **_place(task))


def _members(task: past.TaskScheduledEvent, result: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the members of each group that was looked up, and their number."""
    found = result.get("groups")
    if task.name != "members" or not isinstance(found, dict):
        return {}
    groups = {group: people for group, people in found.items() if isinstance(people, list)}
    return {
        "members": {group: [str(who) for who in people[:MEMBERS_SHOWN]] for group, people in groups.items()},
        "member_counts": {group: len(people) for group, people in groups.items()},
    }


def _what_reply(task: past.TaskScheduledEvent) -> str:
    """Returns what the reply was about; for an escalation also the reason, which no other step has."""
    steps = _json(task.input).get("steps")
    told = [words for step in (steps if isinstance(steps, list) else []) if (words := _what_step(step))]
    return f": {', '.join(told)}" if told else ""


def _what_step(step: object) -> str:
    kind = step.get("kind") if isinstance(step, dict) else None
    if not isinstance(step, dict) or not isinstance(kind, str):
        return ""
    why = ""
    if kind == StepKind.ESCALATED:
        why = f". {step.get('text') or 'Nobody decided in time.'}"
    if kind == StepKind.EDITED and isinstance(edit := step.get("edit"), dict):
        why = f", from digest {edit.get('digest_before')} to {edit.get('digest')}"
    return f"{kind.replace('_', ' ')}{why}"


def _failed(event: past.TaskFailedEvent, task: _Scheduled | None, at: datetime) -> TimelineEntry | None:
    if not isinstance(task, past.TaskScheduledEvent):
        return None
    kind, words = task.name, _ACTIVITIES.get(task.name, task.name)
    why = event.failure_details.message if event.failure_details else "it failed"
    return TimelineEntry(at=at, kind=f"{kind}_failed", text=f"{words}: failed, {why}", **_place(task))


def _place(task: past.TaskScheduledEvent) -> dict[str, Any]:
    """Returns the channel, the person and the attempt number, from the activity's input."""
    given = _json(task.input)
    ref, message = given.get("ref"), given.get("message")
    if (
        isinstance(message, dict) and "user" in message
    ):  # an edit of a direct message looks like the message itself
        return {"actor": message["user"], "attempt": given.get("attempt")}
    return {
        "channel": given.get("channel") or (ref.get("channel") if isinstance(ref, dict) else None),
        "actor": given.get("user"),
        "attempt": given.get("attempt"),
    }


def _event(
    event: past.EventRaisedEvent, at: datetime, refused: Mapping[tuple[str, str], str]
) -> TimelineEntry:
    """Returns who sent which command. Anyone may raise an event, so the payload is validated."""
    model = COMMANDS.get(event.name)
    payload = _json(event.input)
    if event.name == EventName.SMS_UNDELIVERED:
        why = f"{UNDELIVERED}{why_not_theirs(str(payload.get('trouble')))}"
        return TimelineEntry(at=at, kind="code_undelivered", text=why)
    if event.name == EventName.FULFILMENT_EVENT:
        return TimelineEntry(at=at, kind="event", text=f"{payload.get('name')} received")
    if model is None:
        return TimelineEntry(at=at, kind="event", text=f"{event.name} received")
    actor = payload.get("actor")
    words = payload.get("text") or payload.get("reason")
    what = payload.get("choice") or (in_quotes(words) if isinstance(words, str) else payload.get("to")) or ""
    text = f"{event.name}: {what}" if isinstance(what, str) and what else event.name
    if isinstance(edits := payload.get("edits"), dict) and edits:
        text += f", with a change of {in_quotes(', '.join(edits))}"
    return TimelineEntry(
        at=at,
        kind="event",
        text=text,
        actor=actor if isinstance(actor, str) else None,
        refused=refused.get((command_id_of(payload) or "", _fingerprint(model, payload))),
    )


def _fingerprint(model: type[Command], payload: dict[str, Any]) -> str:
    """Returns a fingerprint: it finds the command's own verdict among those on commands with the same ID."""
    try:
        return model.model_validate(payload).fingerprint()
    except ValidationError:
        return ""


def _json(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
