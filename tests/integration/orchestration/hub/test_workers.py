"""Three worker processes on one hub are killed with SIGKILL at random moments, while instances run.

COUNTERSIGN_PROOF=1 kills a hundred times, not four; COUNTERSIGN_SEED replays the moments of a failed run.
"""

import json
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from durabletask import history
from durabletask.client import TaskHubGrpcClient

from orchestration.hub import Hub
from orchestration.hub.upkeep.check import check
from tests.support import PATIENCE_S, worker_process
from tests.support.hubs import HubUnderTest, eventually

KILLS = 100 if os.environ.get("COUNTERSIGN_PROOF") else 4
SEED = int(os.environ.get("COUNTERSIGN_SEED") or random.SystemRandom().randrange(1 << 32))
WORKERS = 3
ITEMS = 3
# Enough in flight that every worker always holds something.
AT_ONCE = 12


class WorkerProcess:
    """A worker process; `kill` ends it in the middle of its work."""

    def __init__(self, address: str) -> None:
        self._command = [sys.executable, "-m", "tests.support.worker_process", address]
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def until_ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(PATIENCE_S)
        assert self._process.stdout is not None
        self._process.stdout.close()


class LoadDriver(threading.Thread):
    """Keeps instances running until told to stop, and then waits until they have ended."""

    def __init__(self, client: TaskHubGrpcClient, name: str) -> None:
        super().__init__(name=name)
        self._client = client
        self.halt = threading.Event()
        self.names: list[str] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self.halt.is_set():
                self._drive(f"{self.name}-{len(self.names)}")
        except Exception as error:  # noqa: BLE001  # raised again by the test
            self.error = error

    def _drive(self, name: str) -> None:
        self._client.schedule_new_orchestration(worker_process.collector, instance_id=name)
        self.names.append(name)
        for item in [*items(name), "end"]:
            self._client.raise_orchestration_event(name, "item", data=item)
        self._client.wait_for_orchestration_completion(name, timeout=60)


def items(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(ITEMS)]


def verify(tested_hub: HubUnderTest, name: str) -> None:
    """Every item was taken once, in order; it was counted once; nothing was scheduled or answered twice."""
    state = tested_hub.done(name, timeout=30)
    assert state.runtime_status.name == "COMPLETED", f"{name}: {state.failure_details}"
    assert json.loads(state.serialized_output or "") == [
        [item, count] for count, item in enumerate(items(name), 1)
    ]
    for one, expected in ((name, ITEMS), *((f"{item}-child", 1) for item in items(name))):
        events = tested_hub.client.get_orchestration_history(one)
        asked = [
            event.event_id
            for event in events
            if isinstance(event, history.TaskScheduledEvent | history.SubOrchestrationInstanceCreatedEvent)
        ]
        answered = [
            event.task_scheduled_id
            for event in events
            if isinstance(event, history.TaskCompletedEvent | history.SubOrchestrationInstanceCompletedEvent)
        ]
        assert len(set(asked)) == len(asked) == expected
        assert sorted(answered) == sorted(asked)


@pytest.mark.timeout(900)
def test_workers_that_are_killed_lose_nothing_and_repeat_nothing(tmp_path: Path) -> None:
    print(f"COUNTERSIGN_SEED={SEED} replays this")  # noqa: T201  # shown with a failure
    chance = random.Random(SEED)
    path = tmp_path / "hub.db"
    with Hub(path) as hub, ExitStack() as stack:
        tested_hub = HubUnderTest(hub.address)
        stack.callback(tested_hub.close)
        workers = [WorkerProcess(hub.address) for _ in range(WORKERS)]
        for worker in workers:
            stack.callback(worker.kill)
        for worker in workers:
            worker.until_ready()
        drivers = [LoadDriver(tested_hub.client, f"driver-{number}") for number in range(AT_ONCE)]
        for driver in drivers:
            driver.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.3))
            victim = chance.choice(workers)
            victim.kill()
            victim.start()
        eventually(lambda: sum(len(one.names) for one in drivers) >= AT_ONCE + KILLS, "work between kills")
        for driver in drivers:
            driver.halt.set()
        for driver in drivers:
            driver.join()
        assert [driver.error for driver in drivers] == [None] * AT_ONCE
        names = [name for driver in drivers for name in driver.names]
        for name in names:
            verify(tested_hub, name)
        print(f"{KILLS} kills, {len(names)} instances")  # noqa: T201  # a figure for whoever runs the proof
    report = check(path)
    assert not report.count, report.text()
    assert report.counts["ended"] == report.counts["instances"] == len(names) * (1 + ITEMS)
