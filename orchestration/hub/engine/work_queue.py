"""What waits to be dispatched, in the order in which it came; of each kind, name and version a queue of its own."""

from collections import deque

from orchestration.hub.storage.transaction import ReadyWork, WorkItemKind

# The kind and the key of a work item.
WorkKey = tuple[WorkItemKind, int]


class WorkQueue:
    """The queued work items, each once. It is true where there are any."""

    def __init__(self) -> None:
        # Of each kind, by name and version: the order and the key of what is queued.
        self._queues: dict[WorkItemKind, dict[tuple[str, str | None], deque[tuple[int, int]]]] = {
            kind: {} for kind in WorkItemKind
        }
        self._queued: set[WorkKey] = set()
        self._order = 0

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
        """Queue an item that is not queued."""
        self._queued.add((ready.kind, ready.key))
        self._order += 1
        queue = self._queues[ready.kind].setdefault((ready.name, ready.version), deque())
        queue.append((self._order, ready.key))

    def heads(self, kind: WorkItemKind) -> list[ReadyWork]:
        """The first item of each name and version of this kind, the one that has waited longest first."""
        queues = self._queues[kind]
        names = sorted(queues, key=lambda name: queues[name][0]) if len(queues) > 1 else list(queues)
        return [ReadyWork(kind, queues[name][0][1], *name) for name in names]

    def take(self, head: ReadyWork) -> None:
        """Take one of the heads out."""
        queues, name = self._queues[head.kind], (head.name, head.version)
        queues[name].popleft()
        if not queues[name]:
            del queues[name]
        self._queued.discard((head.kind, head.key))

    def remove(self, ready: ReadyWork) -> None:
        """Take an item out, wherever it is, if it is queued."""
        if (ready.kind, ready.key) not in self._queued:
            return
        self._queued.discard((ready.kind, ready.key))
        queues, name = self._queues[ready.kind], (ready.name, ready.version)
        left = deque(one for one in queues[name] if one[1] != ready.key)
        if left:
            queues[name] = left
        else:
            del queues[name]
