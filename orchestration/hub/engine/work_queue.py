"""What waits to be dispatched, in the order in which it came; of each kind, name and version a queue of its own.

What is `ahead` goes first: somebody waits for it, while the rest may be thousands of orchestrations that begin. So that
the rest goes on however many events come, one of it is next after so many that went ahead in a row.
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
        # Of each kind, by name: the key of what is queued, and its order. To take out any of them costs the same,
        # however many there are.
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
        """Queue an item. Where it is queued already it keeps its place, unless it goes ahead only now."""
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
        """The first item of each name and version of this kind: what goes ahead, then what has waited longest."""
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
