"""Random interleavings of everything that can happen to instances, compared with a small model.

Operations, dispatcher and file are those of the hub. Only sockets and threads are left out, so that a failure can be
replayed exactly.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from durabletask.internal import orchestrator_service_pb2 as pb
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from orchestration.hub.engine import activities, instances, recovery, timers, turns
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.engine.workers import ConnectedWorker
from orchestration.hub.errors import NotFoundError, StaleError
from orchestration.hub.protocol import statuses
from orchestration.hub.storage import file
from orchestration.hub.storage.transaction import AfterCommit, Transaction, WorkItemKind
from tests.support.hubs import RecordingStream, complete, schedule

NAMES = ("a", "a", "a", "b")
SECOND = timedelta(seconds=1)


class HandClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        self.time += timedelta(microseconds=1)
        return self.time


@dataclass
class Expected:
    """What the model knows of an instance."""

    suspended: bool = False
    ended: bool = False
    raised: list[int] = field(default_factory=list)
    delivered: list[int] = field(default_factory=list)
    activities: set[int] = field(default_factory=set)
    timers: dict[int, datetime] = field(default_factory=dict)


class Interleavings(RuleBasedStateMachine):
    """Each rule is one thing that a client, a worker, the clock or an accident can do."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.clock = HandClock()
        self.expected: dict[str, Expected] = {}
        self.held: list[pb.WorkItem] = []
        self.stale: list[pb.WorkItem] = []
        self.number = 0
        self.losing = False
        self._open()

    def _open(self) -> None:
        self.db = file.connect(self.directory / "hub.db")
        self.dispatcher = Dispatcher(1e9)
        recovery.queue_unfinished(Transaction(self.db, self.clock, AfterCommit()), self.dispatcher)
        self.sent = RecordingStream()
        self.worker: ConnectedWorker = self.dispatcher.connect(pb.GetWorkItemsRequest(), self.sent)

    def _run(self, operation: Callable[[Transaction], Any], token: str | None = None) -> Any:
        if self.losing:
            self.losing = False
            self._lose(operation)
        after_commit = AfterCommit()
        tx = Transaction(self.db, self.clock, after_commit)
        self.db.execute("BEGIN")
        try:
            result = operation(tx)
        except Exception:
            self.db.execute("ROLLBACK")
            raise
        self.dispatcher.dispatch_early(tx)
        self.db.execute("COMMIT")
        if token is not None:
            after_commit.completed_tokens.append(token)
        self.dispatcher.apply(after_commit)
        return result

    def _lose(self, operation: Callable[[Transaction], Any]) -> None:
        """Run it up to a COMMIT that the disk refuses; tokens that were dispatched early are then invalid."""
        before = self.sent.taken()
        tx = Transaction(self.db, self.clock, AfterCommit())
        self.db.execute("BEGIN")
        with contextlib.suppress(NotFoundError, StaleError):
            operation(tx)
        take_back = self.dispatcher.dispatch_early(tx)
        self.db.execute("ROLLBACK")
        take_back()
        self.stale += self.sent.taken()
        self.sent.items = before

    def _next(self) -> int:
        self.number += 1
        return self.number

    # Clients.

    @rule(name=st.sampled_from(NAMES))
    def start(self, name: str) -> None:
        """Start, or replace what has ended. A turn of the old instance must not reach the new one of the same ID."""
        request = pb.CreateInstanceRequest(instanceId=name, name="any")
        request.orchestrationIdReusePolicy.replaceableStatus.extend(statuses.ENDED)
        if name not in self.expected or self.expected[name].ended:
            self._run(lambda tx: instances.start(tx, request))
            self.expected[name] = Expected()

    @rule(name=st.sampled_from(NAMES))
    def raise_event(self, name: str) -> None:
        number = self._next()
        request = pb.RaiseEventRequest(instanceId=name, name="event")
        request.input.value = str(number)
        try:
            self._run(lambda tx: instances.raise_event(tx, request))
        except NotFoundError:
            assert name not in self.expected
            return
        if not self.expected[name].ended:
            self.expected[name].raised.append(number)

    @rule(name=st.sampled_from(NAMES))
    def suspend(self, name: str) -> None:
        if name in self.expected:
            self._run(lambda tx: instances.suspend(tx, pb.SuspendRequest(instanceId=name)))
            self.expected[name].suspended = not self.expected[name].ended

    @rule(name=st.sampled_from(NAMES))
    def resume(self, name: str) -> None:
        if name in self.expected:
            self._run(lambda tx: instances.resume(tx, pb.ResumeRequest(instanceId=name)))
            self.expected[name].suspended = False

    @rule(name=st.sampled_from(NAMES), seldom=st.integers(0, 4))
    def terminate(self, name: str, seldom: int) -> None:
        if name in self.expected and seldom == 0:
            self._run(lambda tx: instances.terminate(tx, pb.TerminateRequest(instanceId=name)))
            self.expected[name].ended = True

    # Time, workers, accidents.

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.clock.time += seconds * SECOND
        self._run(timers.fire_due)

    @rule()
    def dispatch(self) -> None:
        self.dispatcher.dispatch(Transaction(self.db, self.clock, AfterCommit()))
        self.what_is_dispatched_is_in_order()

    @rule()
    def fill_the_disk(self) -> None:
        """The next change is lost at its COMMIT, and is then made again."""
        self.losing = True

    def _check_dispatched(self, item: pb.WorkItem) -> None:
        if not item.HasField("orchestratorRequest"):
            return
        request = item.orchestratorRequest
        expected = self.expected[request.instanceId]
        kinds = {event.WhichOneof("eventType") for event in request.newEvents}
        assert not expected.ended
        assert not expected.suspended or kinds & {"executionSuspended", "executionResumed"}
        for event in request.newEvents:
            if event.HasField("timerFired"):
                assert expected.timers[event.timerFired.timerId] <= self.clock.time
            if event.HasField("taskCompleted"):
                assert event.taskCompleted.taskScheduledId in expected.activities

    @precondition(lambda self: self.held)
    @rule(
        data=st.data(),
        decision=st.sampled_from(["nothing", "activity", "timer", "renew", "activity", "nothing", "end"]),
    )
    def answer(self, data: st.DataObject, decision: str) -> None:
        item = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self.stale.append(item)
        if item.HasField("activityRequest"):
            self._answer_activity(item)
        else:
            self._answer_turn(item, decision)

    def _answer_activity(self, item: pb.WorkItem) -> None:
        response = pb.ActivityResponse()
        try:
            key = self.dispatcher.lease(item.completionToken, WorkItemKind.ACTIVITY).ready.key
            self._run(lambda tx: activities.complete(tx, key, response), item.completionToken)
        except StaleError:
            self.dispatcher.apply(AfterCommit(completed_tokens=[item.completionToken]))

    def _answer_turn(self, item: pb.WorkItem, decision: str) -> None:
        request = item.orchestratorRequest
        expected = self.expected[request.instanceId]
        number = self._next()
        fire_at = self.clock.time + 2 * SECOND
        timer = pb.OrchestratorAction(id=number, createTimer=pb.CreateTimerAction())
        timer.createTimer.fireAt.FromDatetime(fire_at)
        actions = {
            "nothing": [],
            "activity": [schedule(number)],
            "timer": [timer],
            "renew": [complete(number, pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW)],
            "end": [complete(number)],
        }[decision]
        response = pb.OrchestratorResponse(instanceId=request.instanceId, actions=actions)
        try:
            dispatched = self.dispatcher.lease(item.completionToken, WorkItemKind.TURN).work
            assert isinstance(dispatched, turns.Turn)
            self._run(lambda tx: turns.complete(tx, dispatched, response), item.completionToken)
        except StaleError:
            self.dispatcher.apply(AfterCommit(completed_tokens=[item.completionToken]))
            return
        assert not expected.ended, "a turn took effect on an instance that had ended"
        self._taken(expected, request)
        if decision == "activity":
            expected.activities.add(number)
        elif decision == "timer":
            expected.timers[number] = fire_at
        elif decision == "renew":
            expected.activities.clear()
            expected.timers.clear()
        elif decision == "end":
            expected.ended = True

    @staticmethod
    def _taken(expected: Expected, request: pb.OrchestratorRequest) -> None:
        for event in request.newEvents:
            if event.HasField("eventRaised"):
                expected.delivered.append(int(event.eventRaised.input.value))
            elif event.HasField("timerFired"):
                del expected.timers[event.timerFired.timerId]
            elif event.HasField("taskCompleted"):
                expected.activities.remove(event.taskCompleted.taskScheduledId)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def answer_again(self, data: st.DataObject) -> None:
        """An answer that was given before is rejected and changes nothing."""
        item = data.draw(st.sampled_from(self.stale))
        kind = WorkItemKind.TURN if item.HasField("orchestratorRequest") else WorkItemKind.ACTIVITY
        before = self.db.total_changes
        try:
            self.dispatcher.lease(item.completionToken, kind)
        except StaleError:
            assert self.db.total_changes == before
        else:
            raise AssertionError("a finished item's token was good a second time")

    @rule(seldom=st.integers(0, 4))
    def hang_up(self, seldom: int) -> None:
        if seldom:
            return
        self.dispatcher.disconnect(self.worker)
        self.worker = self.dispatcher.connect(pb.GetWorkItemsRequest(), self.sent)

    @rule(seldom=st.integers(0, 4))
    def crash(self, seldom: int) -> None:
        """Everything in memory is lost; workers still hold their work items."""
        if seldom:
            return
        self.db.close()
        self._open()

    # What must hold.

    @invariant()
    def what_is_dispatched_is_in_order(self) -> None:
        for item in self.sent.taken():
            self._check_dispatched(item)
            self.held.append(item)

    @invariant()
    def events_keep_their_order_and_come_once(self) -> None:
        for expected in self.expected.values():
            assert expected.delivered == expected.raised[: len(expected.delivered)]

    @rule()
    def settle(self) -> None:
        """When nothing else happens, every instance gets each of its events once."""
        for _ in range(10):
            self.dispatch()
            while self.held:
                item = self.held.pop(0)
                self.stale.append(item)
                if item.HasField("activityRequest"):
                    self._answer_activity(item)
                else:
                    self._answer_turn(item, "nothing")
        for name, expected in self.expected.items():
            if not expected.ended and not expected.suspended:
                assert (expected.delivered, expected.activities) == (expected.raised, set()), name

    def teardown(self) -> None:
        for name in self.expected:
            self.resume(name)
        self.pass_time(5)
        self.settle()
        assert not any(expected.timers for expected in self.expected.values() if not expected.ended)
        self.db.close()
        shutil.rmtree(self.directory)


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=80, stateful_step_count=50, suppress_health_check=[HealthCheck.too_slow]
)
