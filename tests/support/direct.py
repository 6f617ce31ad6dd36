"""The real `approval` orchestration in this process: no hub, no worker, and time that the test moves.

`DirectRun` gives the orchestration a context of its own. Activities are answered at once, sub-orchestrations and timers
when the test says so. One run takes about a millisecond for each command.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any

from durabletask.task import CancellableTask, CompletableTask, Task

from orchestration.approval import run as approval_run
from orchestration.approval.state import ApprovalInput
from orchestration.approval.workflow import approval
from orchestration.challenge.models import ChallengeInput, ChallengeProgress, ChallengeStatus, Trouble
from orchestration.domain.cards import Card
from orchestration.domain.commands import EVENTS, Command, Progress, Reason
from orchestration.domain.effects import ActivePeople, Delivery, Membership
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import WORKLIST, CardRef, Outcome

LIMIT = "CONTINUE_AS_NEW_AFTER"  # a name in `approval_run`; lowering it is the only way to continue as new at will
START = datetime(2026, 3, 2, 9, 0)  # noqa: DTZ001 - the SDK's times are naive UTC


class Neighbours:
    """The directory, and what people said of being away. A test changes both as it likes."""

    def __init__(self) -> None:
        self.groups: dict[str, list[str]] = {}
        self.inactive: set[str] = set()
        self.failing = False
        self.entries: dict[str, PersonEntry] = {}


class DirectRun:
    """One request. Each method returns once the orchestration waits for time or people."""

    def __init__(self, given: ApprovalInput, people: Neighbours, request_id: str = "model-00000001") -> None:
        self.request_id = request_id
        self.people = people
        self.now = START
        self.cards: dict[str, Card] = {}
        self.card_refs: dict[str, CardRef] = {}
        self.lines: list[Any] = []
        self.message_edits: list[Any] = []
        self.messages: list[Any] = []
        self.worklists: dict[str, bool] = {}  # whether the request waits for a person or group, by key
        self.challenges: dict[str, tuple[ChallengeInput, CompletableTask[Any]]] = {}
        self.status: Progress | None = None
        self.output: Outcome | None = None
        self.over = False
        self.generations = 1
        self._timestamps = itertools.count(1)
        self._default_limit = approval_run.CONTINUE_AS_NEW_AFTER
        self._begin(given, [])
        self._settle()

    # ---- what a test does --------------------------------------------------------------------------------

    def send(self, *commands: Command) -> None:
        """Raises the events of these commands in that order; none is handled before all have come."""
        for command in commands:
            self._context.arrive(EVENTS[type(command)], command.model_dump(mode="json"))
        self._settle()

    def verdict(self, command_id: str) -> Reason | None:
        """The published verdict on a command."""
        return next(
            (verdict.reason for verdict in self.progress.verdicts if verdict.command_id == command_id), None
        )

    @property
    def progress(self) -> Progress:
        """What the custom status says."""
        if self.status is None:
            raise AssertionError("no status was published")
        return self.status

    def code(self, challenge_id: str, *, right: bool, trouble: Trouble = Trouble.WRONG) -> None:
        """Ends a challenge: the right code came, or it failed or expired."""
        _, task = self.challenges.pop(challenge_id)
        status = ChallengeStatus.VERIFIED if right else ChallengeStatus.FAILED
        progress = ChallengeProgress(
            challenge_id=challenge_id, status=status, trouble=None if right else trouble
        )
        self._context.complete(task, progress)
        self._settle()

    def codes_at_once(self, *challenge_ids: str) -> None:
        """The right codes of these challenges come in one batch, in that order."""
        for challenge_id in challenge_ids:
            _, task = self.challenges.pop(challenge_id)
            task.complete(ChallengeProgress(challenge_id=challenge_id, status=ChallengeStatus.VERIFIED))
        self._resume()
        self._settle()

    def advance(self, moment: datetime) -> None:
        """Lets time pass up to that moment; each timer fires at its own."""
        while (timer := self._context.next_timer(moment)) is not None:
            self.now = max(self.now, timer[0])
            self._context.complete(timer[1], None)
            self._settle()
        self.now = max(self.now, moment)

    def next_timer(self) -> datetime | None:
        """When the next timer is due."""
        return min((when for when, task in self._context.timers if not task.is_complete), default=None)

    def continue_as_new(self) -> None:
        """Makes the orchestration continue as new after its next command, once it is ready for that."""
        setattr(approval_run, LIMIT, 1)

    def close(self) -> None:
        """Restores the limit that `continue_as_new` lowered."""
        setattr(approval_run, LIMIT, self._default_limit)
        self._steps.close()

    # ---- what moves by itself ----------------------------------------------------------------------------

    def _begin(self, given: ApprovalInput, events: list[tuple[str, Any]]) -> None:
        self._context = DirectContext(self)
        self._steps: Generator[Task[Any], Any, Any] = approval(
            self._context,  # type: ignore[arg-type]  # only the methods that the orchestration uses
            given,
        )
        self._awaited: Task[Any] | None = None
        for name, payload in events:
            self._context.arrive(name, payload)
        self._resume()

    def _settle(self) -> None:
        """Runs until the orchestration waits for time or a person."""
        while not self.over:
            if self._context.answers:
                task, answer = self._context.answers.pop(0)
                answer(task)
            elif not self._context.deliver():
                return
            self._resume()

    def _resume(self) -> None:
        try:
            while not self.over:
                if self._awaited is None:
                    self._awaited = next(self._steps)
                elif self._awaited.is_complete:
                    self._awaited = self._steps.send(self._awaited.get_result())
                else:
                    return
        except StopIteration as stop:
            following = self._context.following
            if following is None:
                self.over, self.output = True, stop.value
                return
            self.generations += 1
            setattr(approval_run, LIMIT, self._default_limit)
            self.challenges.clear()
            carried = ApprovalInput.model_validate_json(following.model_dump_json(by_alias=True))
            self._begin(carried, self._context.unhandled())

    # ---- the activities ----------------------------------------------------------------------------------

    def perform(self, name: str, given: Any) -> Any:
        """What the activity of that name returns."""
        match name:
            case "members":
                self._ask_directory()
                return Membership(groups={g: list(self.people.groups.get(g, [])) for g in given.groups})
            case "active_people":
                self._ask_directory()
                return ActivePeople(people=[who for who in given.people if who not in self.people.inactive])
            case "post_card":
                ref = CardRef(channel=given.channel, ts=str(next(self._timestamps)), round=given.card.round)
                self.card_refs[ref.ts], self.cards[ref.ts] = ref, given.card.model_copy(deep=True)
                return Delivery(card=ref)
            case "edit_card":
                self.cards[given.ref.ts] = given.card.model_copy(deep=True)
            case "post_reply":
                self.lines += given.steps
            case "send_message":
                self.messages.append(given)
                ref = CardRef(channel="D0", ts=given.message_id, round=given.card.round)
                return Delivery(card=ref)
            case "edit_message":
                self.message_edits.append(given.message)
            case "sign_receipt":
                return Delivery(answer="receipt")
        return Delivery()

    def _ask_directory(self) -> None:
        if self.people.failing:
            raise ConnectionError("the directory does not answer")

    def entity(self, entity: str, operation: str) -> Any:
        """What the entity of a person answers."""
        if operation == "entry":
            known = next((e for p, e in self.people.entries.items() if entity.lower() == p.lower()), None)
            return known.model_dump(mode="json", by_alias=True) if known else None
        return {}

    def signalled(self, entity: str, key: str, operation: str) -> None:
        """Notes a signal to a worklist that the request waits for somebody, or no longer does."""
        if entity == WORKLIST and operation != "asked":
            self.worklists[key] = operation == "waits"


class DirectContext:
    """The methods of an `OrchestrationContext` that the orchestration uses."""

    def __init__(self, run: DirectRun) -> None:
        self._run = run
        self.instance_id = run.request_id
        self.answers: list[tuple[CompletableTask[Any], Callable[[CompletableTask[Any]], None]]] = []
        self.timers: list[tuple[datetime, CancellableTask[Any]]] = []
        self.following: ApprovalInput | None = None
        self._waiters: dict[str, list[CancellableTask[Any]]] = {}
        self._arrived: list[tuple[str, Any]] = []

    @property
    def current_utc_datetime(self) -> datetime:
        return self._run.now

    def create_replay_safe_logger(self, logger: logging.Logger) -> logging.Logger:
        return logger

    def set_custom_status(self, status: Progress) -> None:
        self._run.status = status

    def continue_as_new(self, given: ApprovalInput, *, save_events: bool = False) -> None:
        assert save_events
        self.following = given

    def wait_for_external_event(self, name: str) -> CancellableTask[Any]:
        task: CancellableTask[Any] = CancellableTask()
        self._waiters.setdefault(name, []).append(task)
        return task

    def create_timer(self, fire_at: datetime | timedelta) -> CancellableTask[Any]:
        task: CancellableTask[Any] = CancellableTask()
        when = self._run.now + fire_at if isinstance(fire_at, timedelta) else fire_at
        self.timers.append((when, task))
        return task

    def call_activity(self, name: str, *, input: Any, return_type: Any = None) -> CompletableTask[Any]:
        task: CompletableTask[Any] = CompletableTask()

        def answer(task: CompletableTask[Any]) -> None:
            try:
                result = self._run.perform(name, input)
            except ConnectionError as error:
                task.fail(str(error), error)
            else:
                task.complete(result)

        self.answers.append((task, answer))
        return task

    def call_entity(self, entity: Any, operation: str, given: Any = None) -> CompletableTask[Any]:
        task: CompletableTask[Any] = CompletableTask()
        self.answers.append((task, lambda task: task.complete(self._run.entity(entity.key, operation))))
        return task

    def call_sub_orchestrator(
        self,
        name: str,
        *,
        input: Any,
        instance_id: str,
        return_type: Any = None,
    ) -> CompletableTask[Any]:
        task: CompletableTask[Any] = CompletableTask()
        self._run.challenges[instance_id] = (input, task)
        return task

    def signal_entity(self, entity: Any, operation: str, given: Any = None) -> None:
        self._run.signalled(entity.entity, entity.key, operation)

    def send_event(self, instance_id: str, name: str, *, data: Any = None) -> None:
        self._run.challenges.pop(instance_id, None)

    # ---- what comes in -----------------------------------------------------------------------------------

    def arrive(self, name: str, payload: Any) -> None:
        """Takes an event that has come."""
        self._arrived.append((name, payload))

    def deliver(self) -> bool:
        """Hands the first event that somebody waits for to its waiter; False where there is none."""
        for place, (name, payload) in enumerate(self._arrived):
            waiter = next((one for one in self._waiters.get(name, []) if not one.is_complete), None)
            if waiter is not None:
                del self._arrived[place]
                self._waiters[name].remove(waiter)
                waiter.complete(payload)
                return True
        return False

    def unhandled(self) -> list[tuple[str, Any]]:
        """The events that nobody has taken; the next generation gets them."""
        return self._arrived

    def complete(self, task: CompletableTask[Any], result: Any) -> None:
        """Completes a task that waited for something outside."""
        if not task.is_complete:
            self.answers.append((task, lambda task: None if task.is_complete else task.complete(result)))

    def next_timer(self, until: datetime) -> tuple[datetime, CancellableTask[Any]] | None:
        """Removes and returns the next timer that is due by then; None where there is none."""
        self.timers = [timer for timer in self.timers if not timer[1].is_complete]
        due = min(
            (timer for timer in self.timers if timer[0] <= until), key=lambda timer: timer[0], default=None
        )
        if due:
            self.timers.remove(due)
        return due
