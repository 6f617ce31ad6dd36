"""The hub as a whole: opens the file, connects the parts with each other, serves calls, and stops.

A call comes in through transport/ (the hub's own HTTP/2; transport/http2.py says why), is found in service/ and
answered by an operation of engine/, which storage/group_commit.py runs and commits.
"""

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections.abc import Collection, Coroutine, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import grpc

from orchestration.hub.engine import known_work, recovery, timers, turns
from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.engine.waiters import Waiters
from orchestration.hub.engine.work_limit import WORK_LIMIT
from orchestration.hub.engine.workers import LOOKS
from orchestration.hub.errors import FullError, HubError, LockedError
from orchestration.hub.protocol import wire
from orchestration.hub.service import calls as service
from orchestration.hub.service import clock_service, figures_service, health_service, routes
from orchestration.hub.storage import clock as clocks
from orchestration.hub.storage import file
from orchestration.hub.storage.group_commit import PATIENCE_S, GroupCommitStore
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import AfterCommit, Transaction
from orchestration.hub.transport import busy_polling
from orchestration.hub.transport.doors import Doors
from orchestration.hub.transport.grpc_server import GrpcServer
from orchestration.hub.transport.local import LocalChannel
from orchestration.hub.transport.local_async import AsyncLocalChannel
from orchestration.hub.upkeep import housekeeping, room, timekeeping

_log: Final = logging.getLogger(__name__)
_T = TypeVar("_T")

# The SDK's worker reconnects after 120 s without a message.
_PING_S: Final = 30.0
# Seconds between two tries to write what must be written.
_AGAIN_S: Final = 1.0
# How long calls in progress may take when the hub stops.
_GRACE_S: Final = 1.0
# If an answer of a worker was lost on the way, the worker may hold its items for this many leases more.
_LOST_ANSWER_LEASES: Final = 5


class Hub:
    """A durable task hub on one file, for the durabletask SDK's clients and workers.

    `listen`, `token_file` and `authenticate` say who can reach it: see `transport.doors`. A worker keeps its work items
    for as long as it is connected and alive. If it gives no sign of life for `lease`, other workers get its work.
    `work_limit` is how long a live worker may take for one work item. Both are in real time, not by `clock`. Instances
    that ended longer than `retention` ago, by the hub's clock, are deleted. `embedded` says that the hub is part of
    another program; then it does not log who can reach it. `run_once` names are never rewound or restarted, and none
    but the one that started them can replace them: what they did stands. `busy_poll` makes the hub faster under load if
    it has a process of its own (see busy_polling.py); in a process with its workers it gains nothing.
    """

    def __init__(  # noqa: PLR0913  # settings, each with a default
        self,
        path: Path,
        *,
        listen: str | None = None,
        token_file: Path | None = None,
        authenticate: bool = True,
        clock: clocks.Clock | None = None,
        lease: timedelta = timedelta(minutes=1),
        work_limit: timedelta = WORK_LIMIT,
        retention: timedelta = housekeeping.RETENTION,
        run_once: Collection[str] = (),
        embedded: bool = False,
        busy_poll: bool = False,
    ) -> None:
        self.clock: clocks.Clock = clock if clock is not None else clocks.SystemClock()
        self._path = Path(path)
        self._doors = Doors(self._path, listen, token_file, authenticate=authenticate, embedded=embedded)
        self._lease_s = lease.total_seconds()
        self._work_limit_s = work_limit.total_seconds()
        self._retention = retention
        self._time_keeper = timekeeping.TimeKeeper(
            self._path, self.clock, retention // timedelta(microseconds=1)
        )
        self._run_once = frozenset(run_once)
        self._loop_factory = busy_polling.loop if busy_poll else asyncio.new_event_loop
        self._address: str | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._store: GroupCommitStore | None = None
        self._timer_loop: timers.TimerLoop | None = None
        self._housekeeper: housekeeping.Housekeeper | None = None
        self._room_keeper: room.RoomKeeper | None = None
        self._unfinished: frozenset[tuple[str, int]] = frozenset()
        self._local: LocalChannel | None = None

    @property
    def address(self) -> str:
        """What the SDK's clients and workers take as `host_address`.

        Raises HubError before the hub has started.
        """
        if self._address is None:
            raise HubError("The hub has not been started.")
        return self._address

    @property
    def channel(self) -> LocalChannel:
        """A channel for one worker in this process, over no connection. Raises HubError before the hub has started."""
        if self._local is None:
            raise HubError("The hub has not been started.")
        return self._local

    def async_channel(self, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> AsyncLocalChannel:
        """A channel for asynchronous clients in this process, over no connection; for the event loop that runs now.

        Raises HubError before the hub has started.
        """
        return AsyncLocalChannel(self.channel, interceptors)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the file and listen; returns once calls are served.

        Raises HubError where the file is not a hub's, damaged, newer or in use, and where the address is not
        loopback.
        """
        if self._thread is not None:
            raise HubError("The hub was started already.")
        started = threading.Event()
        failure: list[BaseException] = []

        def serve() -> None:
            try:
                with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                    runner.run(self._serve(started))
            except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for the start
                failure.append(error)
                if started.is_set():
                    _log.exception("The hub has failed.")
            finally:
                started.set()

        thread = threading.Thread(target=serve, name="hub", daemon=True)
        thread.start()
        started.wait()
        if failure:
            thread.join()
            raise failure[0]
        self._thread = thread

    def stop(self) -> None:
        """Finish what was accepted, close the file, and return. Does nothing where the hub is not running."""
        thread, loop, stopping = self._thread, self._loop, self._stopping
        if thread is None or loop is None or stopping is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended by itself
            loop.call_soon_threadsafe(stopping.set)
        thread.join()
        self._thread = None
        self._address = None

    def advance(self, delta: timedelta) -> datetime:
        """Move the clock ahead by `delta`, durably, and fire what is due by then; returns the new time.

        Raises HubError where the hub does not have a SkippableClock, or `delta` is negative.
        """
        return self._call(self._advance(delta))

    def next_timer(self, beyond: timedelta | None = None) -> datetime | None:
        """When the first timer in the file is due, or None where there is none.

        With `beyond`: the first of those that are due more than so long from now.
        """
        return self._call(self._next_timer(beyond))

    def warnings(self) -> list[str]:
        """Warnings: who can reach it without a token, what is wrong with its time, what it will delete; often none."""
        housekeeping_says = self._housekeeper.warnings() if self._housekeeper else []
        return self._doors.warnings() + self._time_keeper.warnings() + housekeeping_says

    def problem(self) -> str | None:
        """A sentence that says why the hub records nothing now, or None where it does."""
        return self._room_keeper.problem() if self._room_keeper else None

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._loop is None or self._thread is None:
            coroutine.close()
            raise HubError("The hub is not running.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _advance(self, delta: timedelta) -> datetime:
        clock, store = self.clock, self._store
        if not isinstance(clock, clocks.SkippableClock) or store is None:
            raise HubError("This hub runs on the machine's clock, which cannot be moved.")
        if delta < timedelta():
            raise HubError("A clock can only be moved forward.")

        def add(tx: Transaction) -> list[tuple[int, int]]:
            tx.add(Q.skip_add, tx.now, tx.now + delta // timedelta(microseconds=1))
            return _skips(tx)

        clock.restore(await store.run(add))
        self._clock_moved()
        return clock.now()

    def _clock_moved(self) -> None:
        if self._timer_loop is not None and self._housekeeper is not None:
            self._timer_loop.clock_moved()
            self._housekeeper.clock_moved()
        if self._store is not None:
            self._store.wake()  # work may have waited long enough for a worker that knows it

    async def _next_timer(self, beyond: timedelta | None) -> datetime | None:
        if self._store is None:
            raise HubError("The hub is not running.")
        if beyond is None:
            due = await self._store.run(timers.next_due)
        else:
            after = clocks.now(self.clock) + beyond // timedelta(microseconds=1)
            due = await self._store.run(lambda tx: timers.next_due_after(tx, after))
        return None if due is None else wire.to_datetime(due)

    async def _serve(self, started: threading.Event) -> None:
        with contextlib.ExitStack() as stack:
            lock = file.FileLock(self._path)
            stack.callback(lock.close)
            db = file.connect(self._path)
            stack.callback(db.close)
            reader = file.reader(self._path, PATIENCE_S)
            stack.callback(reader.close)
            self._restore_clock(db)
            self._time_keeper.restore(Transaction(db, self.clock, AfterCommit()))
            stack.callback(self._doors.close)
            await self._run(db, reader, started)

    def _restore_clock(self, db: sqlite3.Connection) -> None:
        skips = _skips(Transaction(db, self.clock, AfterCommit()))
        if isinstance(self.clock, clocks.SkippableClock):
            self.clock.restore(skips)
        elif skips:
            raise HubError(
                f"The clock of {self._path} was moved ahead. Start the hub with a skippable clock, or name "
                "another file."
            )

    async def _run(
        self, db: sqlite3.Connection, reader: sqlite3.Connection, started: threading.Event
    ) -> None:
        store = GroupCommitStore(db, self.clock, self._run_once)
        dispatcher = Dispatcher(self._work_limit_s, _LOST_ANSWER_LEASES * self._lease_s, self.clock)
        waiters = Waiters()
        timer_loop = timers.TimerLoop(store, self.clock)
        housekeeper = housekeeping.Housekeeper(store, self.clock, self._retention)
        self._store, self._timer_loop, self._housekeeper = store, timer_loop, housekeeper
        room_keeper = self._room_keeper = room.RoomKeeper(store)
        _connect(store, dispatcher, waiters, timer_loop, room_keeper)
        store.on_change = self._time_keeper.note
        recovery.queue_unfinished(Transaction(db, self.clock, AfterCommit()), dispatcher)
        calls = service.TaskHubService(store, dispatcher, waiters, reader)
        served = routes.routes(calls, store)
        parts = figures_service.HubParts(self._path, self.clock, dispatcher, store.times)
        served |= health_service.routes(self.problem, self.warnings)
        served |= figures_service.routes(parts, calls.read)
        local = self._local = LocalChannel(served)
        server = GrpcServer(served | clock_service.routes(self.clock, self._advance, self._next_timer))
        background = [
            asyncio.create_task(timer_loop.serve()),
            asyncio.create_task(housekeeper.serve()),
            asyncio.create_task(room_keeper.serve()),
            asyncio.create_task(self._time_keeper.serve(store, self._clock_moved)),
            asyncio.create_task(_watch_workers(store, dispatcher, self._lease_s / LOOKS)),
        ]
        try:
            self._address = self._doors.open(server)
            self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
            started.set()
            await self._stopping.wait()
        finally:
            dispatcher.dismiss()
            await server.close(_GRACE_S)
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            with contextlib.suppress(HubError, sqlite3.Error):  # the file is behind by a minute at most
                await store.run(partial(self._time_keeper.note, age=0))
            await store.close()
            calls.close()
            local.stop()


def _connect(
    store: GroupCommitStore,
    dispatcher: Dispatcher,
    waiters: Waiters,
    timer_loop: timers.TimerLoop,
    room_keeper: room.RoomKeeper,
) -> None:
    """Let the dispatcher, the waiting calls and the timers act on what the store commits."""

    def on_commit(after_commit: AfterCommit) -> None:
        dispatcher.apply(after_commit)
        waiters.wake(after_commit.changed_instances)
        if after_commit.first_timer is not None:
            timer_loop.no_later_than(after_commit.first_timer)

    running: set[asyncio.Task[None]] = set()

    def background(task: asyncio.Task[None]) -> None:
        # The loop keeps no reference to a task, so one is kept here until it is done.
        running.add(task)
        task.add_done_callback(running.discard)

    def after_batch() -> bool:
        # While the disk is full no work is dispatched: its answer could not be recorded, and would be lost if the hub
        # were killed.
        can_dispatch = dispatcher.can_dispatch and room_keeper.problem() is None
        more = can_dispatch and store.read_all(dispatcher.dispatch)
        while dispatcher.too_long:
            task = asyncio.create_task(_fail_too_long(store, dispatcher.too_long.pop()))
            background(task)
        record = dispatcher.unwritten()
        if record is not None:
            background(asyncio.create_task(_write_down(store, record)))
        if dispatcher.busy:
            timer_loop.idle.clear()
        else:
            timer_loop.idle.set()
        return more

    store.before_commit = dispatcher.dispatch_early
    store.on_commit = on_commit
    store.after_batch = after_batch


async def _fail_too_long(store: GroupCommitStore, key: int) -> None:
    """Fail the instance; try again until the file can be written, because nothing else looks at the instance again."""
    while True:
        try:
            await store.run(partial(turns.fail_too_long, key=key))
        except (FullError, LockedError):
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def _write_down(store: GroupCommitStore, record: str) -> None:
    """Write the record of what workers run. Errors are ignored, because it is written again later."""
    with contextlib.suppress(HubError, sqlite3.Error):
        await store.run(partial(known_work.write_down, record=record))


def _skips(tx: Transaction) -> list[tuple[int, int]]:
    return [(row["from_at"], row["to_at"]) for row in tx.all(Q.skip_all)]


async def _watch_workers(store: GroupCommitStore, dispatcher: Dispatcher, step: float) -> None:
    """Check every `step` seconds whether workers are alive; dispatch again what silent ones hold or was held too long.

    Each worker is sent a message from time to time. Without one, the SDK's worker would take the connection for broken.
    """
    since_ping = 0.0
    while True:
        await asyncio.sleep(step)
        since_ping += step
        if since_ping >= _PING_S:
            since_ping = 0.0
            for worker in dispatcher.workers():
                worker.stream.send(wire.HEALTH_PING)
        if dispatcher.look():
            store.wake()
