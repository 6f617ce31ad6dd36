"""What a hub that starts has to dispatch: the work that was unfinished when the last one stopped."""

from orchestration.hub.engine.dispatch import Dispatcher
from orchestration.hub.protocol import statuses
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import ReadyWork, Transaction, WorkItemKind


def queue_unfinished(tx: Transaction, dispatcher: Dispatcher) -> None:
    """Queue every turn, activity and entity batch that is unfinished, and recall what workers knew.

    Instances that only wait are not read. Workers of the last hub may have begun any of the activities.
    """
    dispatcher.recall(tx)
    for row in tx.all(Q.inbox_waking, statuses.SUSPENDED, tx.now):
        dispatcher.offer(ReadyWork(WorkItemKind.TURN, row["key"], row["name"], row["version"]))
    for row in tx.all(Q.activity_all):
        dispatcher.offer(ReadyWork(WorkItemKind.ACTIVITY, row["key"], row["name"], row["version"]))
        dispatcher.may_have_been_given(row["key"])
    for row in tx.all(Q.entity_waking):
        dispatcher.offer(ReadyWork(WorkItemKind.ENTITY, row["key"], row["id"].split("@")[1], None))
