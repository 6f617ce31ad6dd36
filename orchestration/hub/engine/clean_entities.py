"""Removes entities that are empty, and releases locks whose owners are gone, when a client asks for it."""

from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb

from orchestration.hub.engine import entities
from orchestration.hub.protocol import continuation_tokens
from orchestration.hub.storage.sql import Q
from orchestration.hub.storage.transaction import Transaction

# How many entities one call looks at: a few milliseconds of work. The client calls again with the token.
_PAGE: Final = 500


def clean(tx: Transaction, request: pb.CleanEntityStorageRequest) -> pb.CleanEntityStorageResponse:
    """Clean the next page of all entities; the response has a token where there are more. Raises InvalidError.

    An entity without a state stays if it is locked or messages wait for it.
    """
    (after_id,) = continuation_tokens.parts(request.continuationToken.value, "")
    rows = tx.all(Q.entity_page, after_id, _PAGE)
    response = pb.CleanEntityStorageResponse()
    for row in rows:
        if request.releaseOrphanedLocks and _is_orphaned(tx, row):
            entities.unlock(tx, row["id"], row["lock_section"], tx.now)
            response.orphanedLocksReleased += 1
        if request.removeEmptyEntities and row["empty"]:
            response.emptyEntitiesRemoved += tx.do(Q.entity_delete_empty, row["key"])
    if len(rows) == _PAGE:
        response.continuationToken.value = continuation_tokens.token(rows[-1]["id"])
    return response


def _is_orphaned(tx: Transaction, row: Any) -> bool:
    return row["lock_section"] is not None and not entities.is_alive(
        tx, row["lock_owner"], row["lock_owner_execution"]
    )
