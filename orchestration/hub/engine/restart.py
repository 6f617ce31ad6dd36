"""Restarting an orchestration that has ended: the same work again, from its beginning."""

import uuid

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, instances, mailbox
from orchestration.hub.errors import NotReadyError
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Transaction


def restart(tx: Transaction, request: pb.RestartInstanceRequest) -> str:
    """Start an ended instance's work anew; the ID under which it now runs.

    Name, version, input and tags are those of its last execution. Under the same ID its history is forgotten;
    with `restartWithNewInstanceId` it is kept. It runs on its own, even where the old one had a parent.
    Raises NotFoundError, and NotReadyError where it has not ended.
    """
    row = tx.one(Q.instance_by_id, request.instanceId)
    if row is None:
        raise instances.unknown(request.instanceId)
    if row["status"] not in mailbox.ENDED:
        raise NotReadyError(
            f"Only what has ended can be restarted, and the orchestration {row['id']!r} is "
            f"{mailbox.word(row['status'])}."
        )
    if not request.restartWithNewInstanceId:
        endings.forget(tx, row["key"])
    new = instances.New(
        id=uuid.uuid4().hex if request.restartWithNewInstanceId else row["id"],
        name=row["name"],
        version=row["version"],
        input=row["input"],
        tags=instances.tags(row),
        trace=None,
    )
    instances.create(tx, new, tx.now)
    tx.effects.changed.add(row["id"])
    return new.id
