"""In which order queued work is dispatched."""

from __future__ import annotations

from orchestration.hub.engine.work_queue import IN_A_ROW, WorkQueue
from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind


class _Counted(int):
    """A key that counts how often keys are compared."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        type(self).compared += 1
        return int(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = int.__hash__


def _turn(key: int, name: str = "flow", *, ahead: bool = False) -> ReadyWork:
    return ReadyWork(WorkItemKind.TURN, key, name, None, ahead)


def _taken(queue: WorkQueue) -> list[int]:
    keys = []
    while queue:
        head = queue.heads(WorkItemKind.TURN)[0]
        queue.take(head)
        keys.append(head.key)
    return keys


def test_what_goes_ahead_comes_first_and_the_rest_in_its_order() -> None:
    queue = WorkQueue()
    for ready in (_turn(1), _turn(2, "other"), _turn(3), _turn(4, ahead=True), _turn(5, "other", ahead=True)):
        queue.add(ready)
    assert _taken(queue) == [4, 5, 1, 2, 3]


def test_what_is_queued_already_is_there_once_and_keeps_that_it_goes_ahead() -> None:
    queue = WorkQueue()
    for ready in (_turn(1), _turn(2), _turn(3), _turn(2, ahead=True), _turn(1), _turn(2)):
        queue.add(ready)
    assert queue.size(WorkItemKind.TURN) == 3
    queue.remove(_turn(3))
    assert _taken(queue) == [2, 1]
    assert not queue.has(WorkItemKind.TURN)


def test_however_much_goes_ahead_the_rest_goes_on() -> None:
    queue = WorkQueue()
    for key in range(2):
        queue.add(_turn(key))
    for key in range(10, 10 + 3 * IN_A_ROW):
        queue.add(_turn(key, ahead=True))
    taken = _taken(queue)
    assert [taken.index(key) for key in range(2)] == [IN_A_ROW, 2 * IN_A_ROW + 1]


def test_what_goes_ahead_only_now_costs_the_same_however_much_is_queued() -> None:
    queue, keys = WorkQueue(), [_Counted(number) for number in range(500)]
    for key in keys:
        queue.add(_turn(key))
    before = _Counted.compared
    for key in reversed(keys):
        queue.add(_turn(key, ahead=True))
    assert _Counted.compared - before <= 10 * len(keys)
    assert _taken(queue) == keys[::-1]
