"""The work items that wait to be dispatched, in their order: one queue for each kind, name and version.

Items that are `ahead` go first: somebody waits for them, while the others may be thousands of orchestrations that
begin. After IN_A_ROW items that went ahead, one of the others is next, so that the others make progress too.
"""

from collections import Counter, OrderedDict
from typing import Final

from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind

# The kind and the key of a work item.
WorkKey = tuple[WorkItemKind, int]
# Whether it goes ahead, the name and the version.
_Name = tuple[bool, str, str | None]

IN_A_ROW: Final = 8


class WorkQueue:
    """The queued work items, each once. It is true where there are any."""

    def __init__(self) -> None:
        # For each kind and name: the keys of the queued items, each with its place in the order. Any item is removed at
        # the same cost, however many there are.
        self._queues: dict[WorkItemKind, dict[_Name, OrderedDict[int, int]]] = {
            kind: {} for kind in WorkItemKind
        }
        self._queued: dict[WorkKey, _Name] = {}
        self._order = 0
        # How many of each kind went ahead since one of the rest was taken.
        self._ahead: Counter[WorkItemKind] = Counter()

    def __bool__(self) -> bool:
        return bool(self._queued)

    def __contains__(self, item: WorkKey) -> bool:
        return item in self._queued

    def has(self, kind: WorkItemKind) -> bool:
        """Whether anything of this kind is queued."""
        return bool(self._queues[kind])

    def size(self, kind: WorkItemKind) -> int:
        """How many items of this kind are queued."""
        return sum(map(len, self._queues[kind].values()))

    def add(self, ready: ReadyWork) -> None:
        """Queue an item. One that is queued already keeps its place, unless it is `ahead` now and was not before."""
        known = self._queued.get((ready.kind, ready.key))
        if known is not None:
            if known[0] or not ready.ahead:
                return
            self.remove(ready)
        name = (ready.ahead, ready.name, ready.version)
        self._queued[ready.kind, ready.key] = name
        self._order += 1
        self._queues[ready.kind].setdefault(name, OrderedDict())[ready.key] = self._order

    def heads(self, kind: WorkItemKind) -> list[ReadyWork]:
        """The first item of each queue of this kind, in the order in which they should be dispatched."""
        first = self._ahead[kind] < IN_A_ROW
        heads = [(name, *next(iter(queue.items()))) for name, queue in self._queues[kind].items()]
        heads.sort(key=lambda head: (head[0][0] is not first, head[2]))
        return [ReadyWork(kind, key, name[1], name[2], ahead=name[0]) for name, key, _ in heads]

    def take(self, head: ReadyWork) -> None:
        """Take one of the heads out."""
        self._ahead[head.kind] = self._ahead[head.kind] + 1 if head.ahead else 0
        self.remove(head)

    def remove(self, ready: ReadyWork) -> None:
        """Take an item out, wherever it is, if it is queued."""
        name = self._queued.pop((ready.kind, ready.key), None)
        if name is None:
            return
        queues = self._queues[ready.kind]
        del queues[name][ready.key]
        if not queues[name]:
            del queues[name]
