"""Work waits for commands that are being recorded, but not for ever."""

from __future__ import annotations

import threading

import pytest

from orchestration.runtime.precedence import CROWD, Precedence
from tests.support import PATIENCE_S

NEVER = 3600.0  # seconds


def begun(precedence: Precedence) -> threading.Event:
    """Set once a piece of work has begun, on a thread of its own."""
    began = threading.Event()

    def work() -> None:
        precedence.give_way()
        began.set()

    threading.Thread(target=work, daemon=True).start()
    return began


def test_work_begins_at_once_where_nothing_is_being_recorded() -> None:
    assert begun(Precedence(NEVER)).wait(PATIENCE_S)


def test_work_begins_when_the_last_command_is_recorded() -> None:
    precedence = Precedence(NEVER)
    with precedence.ahead():
        with precedence.ahead():
            began = begun(precedence)
        assert not began.wait(0.05), "the other command is still being recorded"
    assert began.wait(PATIENCE_S)


def test_work_begins_all_the_same_where_commands_never_end() -> None:
    precedence = Precedence(longest=0.01)
    with precedence.ahead():
        assert begun(precedence).wait(PATIENCE_S)


def test_a_command_that_fails_keeps_nothing_back() -> None:
    precedence = Precedence(NEVER)
    with pytest.raises(ZeroDivisionError), precedence.ahead():
        _ = 1 / 0
    assert begun(precedence).wait(PATIENCE_S)


def test_many_at_once_are_a_crowd() -> None:
    precedence = Precedence()
    assert not precedence.crowded
    held = [precedence.ahead() for _ in range(CROWD)]
    for one in held:
        one.__enter__()
    assert precedence.crowded
    held[0].__exit__(None, None, None)
    assert not precedence.crowded
