"""Restarts an orchestration that has ended: the same work again, from the beginning."""

import uuid
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import endings, instances
from orchestration.hub.errors import NotReadyError
from orchestration.hub.protocol import statuses
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

NAMED: Final = 5  # children in an error; the others are counted


def restart(tx: Transaction, request: pb.RestartInstanceRequest) -> str:
    """Start the work of an ended instance again; returns the ID under which it now runs.

    Name, version, input and tags are those of its last execution. Under the same ID the old instance is deleted with
    its history; with `restartWithNewInstanceId` it is kept. The new instance has no parent, even where the old one had.
    Raises NotFoundError, and NotReadyError where the instance has not ended, its name is in `run_once`, or it is to run
    under the same ID while sub-orchestrations that it started still run: it would start others under the same IDs.
    """
    row = tx.one(Q.instance_by_id, request.instanceId)
    if row is None:
        raise instances.unknown(request.instanceId)
    if row["name"] in tx.run_once:
        raise instances.runs_once(row)
    if row["status"] not in statuses.ENDED:
        raise NotReadyError(
            f"Only an orchestration that has ended can be restarted, and {row['id']!r} is "
            f"{statuses.word(row['status'])}."
        )
    if not request.restartWithNewInstanceId:
        _check_children(tx, row)
        endings.delete(tx, row["key"])
    new = instances.NewInstance(
        id=uuid.uuid4().hex if request.restartWithNewInstanceId else row["id"],
        name=row["name"],
        version=row["version"],
        input=row["input"],
        tags=instances.tags(row),
        trace=None,
    )
    instances.create(tx, new, tx.now)
    tx.after_commit.changed_instances.add(row["id"])
    return new.id


def _check_children(tx: Transaction, row: Any) -> None:
    children = (tx.one(Q.instance_by_key, child["key"]) for child in tx.all(Q.children, row["key"]))
    running = sorted(child["id"] for child in children if child["status"] not in statuses.ENDED)
    if running:
        more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
        raise NotReadyError(
            f"{row['id']!r} has started {', '.join(map(repr, running[:NAMED]))}{more}, which still run. Terminate them "
            "first, or restart it under a new ID."
        )
