"""Polling for calls before sleeping: when the hub does it, and when it does not."""

import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestration.hub import Hub, command
from orchestration.hub.transport import busy_polling
from tests.support.hubs import HubUnderTest

LOOK_S = 0.0001
SOME_S = busy_polling.PATIENCE_S / 2


class Machine:
    """A processor whose time passes only during work, polling or sleep, and where calls arrive as the test says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = self.used = 0.0
        self.looks = self.given_up = 0
        self.slept: list[float] = []
        self.others_s = 0.0
        self._arrives: float | None = None
        monkeypatch.setattr(
            selectors.DefaultSelector, "select", lambda _self, timeout=None: self._select(timeout)
        )
        monkeypatch.setattr(
            busy_polling, "time", SimpleNamespace(monotonic=lambda: self.now, thread_time=lambda: self.used)
        )
        monkeypatch.setattr(busy_polling, "os", SimpleNamespace(sched_yield=self._yield))
        self._selector = busy_polling.BusyPollSelector()

    def work(self, seconds: float, disk: float = 0) -> None:
        """Use the processor, and wait for the disk, which uses none."""
        self.used += seconds
        self.now += seconds + disk

    def wait(self, arrives_in: float | None, timeout: float | None = None) -> bool:
        """Wait for something that arrives so many seconds from now, or never; returns whether it was seen."""
        self.looks = self.given_up = 0
        self.slept = []
        self._arrives = None if arrives_in is None else self.now + arrives_in
        return bool(self._selector.select(timeout))

    def _yield(self) -> None:
        self.given_up += 1
        self.now += self.others_s

    def _select(self, timeout: float | None) -> list[str]:
        if timeout == 0:
            self.looks += 1
            self.now += LOOK_S
        else:
            ends = (self._arrives, None if timeout is None else self.now + timeout)
            until = min(end for end in ends if end is not None)
            self.slept.append(until - self.now)
            self.now = max(self.now, until)
        return ["ready"] if self._arrives is not None and self._arrives <= self.now else []


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_what_comes_soon_is_looked_for(machine: Machine) -> None:
    machine.work(SOME_S)
    assert machine.wait(SOME_S / 2)
    assert not machine.slept
    assert machine.given_up == machine.looks - 1, "others may run between two looks"
    assert machine.wait(SOME_S / 4), "what was not used up is left"
    assert not machine.slept


@pytest.mark.parametrize("worked_s", [SOME_S / 4, SOME_S, 100 * SOME_S])
def test_it_looks_for_as_long_as_it_has_worked_up_to_a_bound(machine: Machine, worked_s: float) -> None:
    machine.work(worked_s, disk=0.01)
    assert machine.wait(1)
    looked = min(worked_s, busy_polling.PATIENCE_S)
    assert machine.looks * LOOK_S == pytest.approx(looked, abs=2 * LOOK_S)
    assert machine.slept == [pytest.approx(1 - machine.looks * LOOK_S)]
    assert machine.wait(1)
    assert machine.looks <= 2, "it has done nothing since"


def test_where_others_want_the_processor_looking_is_given_up(machine: Machine) -> None:
    machine.others_s = 0.003
    machine.work(SOME_S)
    assert machine.wait(1)
    assert machine.given_up == 1
    for _ in range(10):
        machine.work(SOME_S)
        assert machine.wait(1)
        assert machine.given_up == 0
    machine.work(100 * SOME_S)
    machine.others_s = 3600
    assert machine.wait(7200)
    assert machine.given_up == 1
    machine.others_s = 0
    machine.work(100 * SOME_S)
    assert machine.wait(SOME_S)
    assert not machine.slept, "they are gone"


def test_a_timer_ends_a_look_on_time(machine: Machine) -> None:
    for _ in range(2):
        machine.work(2 * SOME_S)
        began = machine.now
        assert not machine.wait(None, timeout=SOME_S)
        assert SOME_S <= machine.now - began <= SOME_S + 2 * LOOK_S
        assert sum(machine.slept) == 0


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_loop_that_has_work_does_not_wait(monkeypatch: pytest.MonkeyPatch, timeout: float) -> None:
    asked: list[float | None] = []

    def select(_: object, timeout: float | None) -> list[object]:
        asked.append(timeout)
        return []

    monkeypatch.setattr(selectors.DefaultSelector, "select", select)
    selector = busy_polling.BusyPollSelector()
    assert selector.select(timeout) == []
    assert asked == [timeout]


@pytest.mark.parametrize("busy_poll", [True, False])
def test_only_a_hub_that_is_told_to_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy_poll: bool
) -> None:
    looks: list[None] = []
    monkeypatch.setattr(os, "sched_yield", lambda: looks.append(None))
    with Hub(tmp_path / "hub.db", busy_poll=busy_poll) as hub:
        tested_hub = HubUnderTest(hub.address)
        for _ in range(200):
            assert tested_hub.client.get_orchestration_state("nobody") is None
        tested_hub.close()
    assert bool(looks) is busy_poll


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_hub_that_nobody_calls_sleeps(tmp_path: Path) -> None:
    """Measures the processor time of half a second, with a worker connected that has nothing to do."""
    words = [sys.executable, "-m", "orchestration.hub", "--db", str(tmp_path / "hub.db")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        tested_hub = HubUnderTest(process.stdout.readline().strip())
        tested_hub.work()
        try:
            for _ in range(200):
                assert tested_hub.client.get_orchestration_state("nobody") is None
            time.sleep(0.1)
            before = _processor_s(process.pid)
            time.sleep(
                0.5
            )  # the processor time of a process in real time is what is measured: no clock of ours skips it
            assert _processor_s(process.pid) - before <= 0.05
        finally:
            tested_hub.close()
            process.terminate()


def _processor_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(("words", "busy_poll"), [([], True), (["--no-busy-poll"], False)])
def test_the_command_looks_unless_told_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], busy_poll: bool
) -> None:
    told: list[bool] = []

    class Told(Hub):
        def __init__(self, path: Path, **options: Any) -> None:
            told.append(options["busy_poll"])
            super().__init__(path, **options)

    monkeypatch.setattr(command, "Hub", Told)
    # Changes nothing in this process, because the address is refused and so the command ends.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert (
        command.main(["--db", str(tmp_path / "hub.db"), "--listen", "192.0.2.1:1", *words])
        == command.NOT_DONE
    )
    assert told == [busy_poll]
