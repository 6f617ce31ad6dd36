"""A hub as a process of its own stops at SIGTERM, whatever it is doing when that comes."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from orchestration.hub.command import stop_signal


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


def call_with_signal_at(line: int, call: Callable[[], None]) -> bool:
    """Sends SIGTERM when the call is about to run its line of that number; false where it has fewer lines."""
    passed = 0

    def trace(_frame: FrameType, event: str, _value: Any) -> Any:
        nonlocal passed
        passed += event == "line"
        if passed == line and event == "line":
            signal.raise_signal(signal.SIGTERM)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return passed >= line


@pytest.mark.timeout(10)
def test_a_signal_in_the_middle_of_the_wait_for_one_holds_nothing_up() -> None:
    """One has come before, so that the wait ends even where it has fewer lines."""
    line = 1
    while True:
        wait = stop_signal()
        signal.raise_signal(signal.SIGTERM)
        if not call_with_signal_at(line, wait):
            break
        line += 1
    assert line > 1


@pytest.mark.timeout(10)
def test_a_signal_that_does_not_interrupt_the_wait_ends_it() -> None:
    """As one does that arrives right before the wait begins to read: here another thread takes it."""
    wait = stop_signal()
    main = threading.get_ident()

    def kill() -> None:
        while sys._current_frames()[main].f_code is not wait.__code__:
            pass
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    killer = threading.Thread(target=kill)
    killer.start()
    wait()
    killer.join()


@pytest.mark.timeout(10)
def test_any_number_of_signals_stop_it_once() -> None:
    wait = stop_signal()
    for _ in range(70_000):  # a pipe holds 65536
        signal.raise_signal(signal.SIGTERM)
    wait()
