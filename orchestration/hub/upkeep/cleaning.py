"""Cleaning up after entities: those that remember nothing, and locks whose owners are gone."""

from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities
from orchestration.hub.protocol import tokens
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.store import Transaction

# Of one call: a few milliseconds, so that it delays nobody. The client comes back with the token.
_PAGE: Final = 500


def clean(tx: Transaction, request: pb.CleanEntityStorageRequest) -> pb.CleanEntityStorageResponse:
    """Clean the next stretch of all entities; with a token where there are more. Raises InvalidError.

    An entity without a state that is locked or has messages waiting is in use, and stays.
    """
    (after_id,) = tokens.parts(request.continuationToken.value, "")
    rows = tx.all(Q.entity_page, after_id, _PAGE)
    response = pb.CleanEntityStorageResponse()
    for row in rows:
        if request.releaseOrphanedLocks and _is_orphaned(tx, row):
            entities.unlock(tx, row["id"], row["lock_section"], tx.now)
            response.orphanedLocksReleased += 1
        if request.removeEmptyEntities and row["empty"]:
            response.emptyEntitiesRemoved += tx.do(Q.entity_forget, row["key"])
    if len(rows) == _PAGE:
        response.continuationToken.value = tokens.token(rows[-1]["id"])
    return response


def _is_orphaned(tx: Transaction, row: Any) -> bool:
    return row["lock_section"] is not None and not entities.is_alive(
        tx, row["lock_owner"], row["lock_owner_execution"]
    )
