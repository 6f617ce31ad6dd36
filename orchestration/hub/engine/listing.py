"""Lists and histories. They are read on a connection and a thread of their own, so that no turn waits for them."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import DecodeError

from orchestration.hub.engine import instances
from orchestration.hub.errors import DamagedError, NotFoundError
from orchestration.hub.protocol import continuation_tokens, packing, statuses, wire
from orchestration.hub.protocol.fitting import fit
from orchestration.hub.storage.sql import Q

_PAGE: Final = 100
_LARGEST_PAGE: Final = 1000
# Payloads are up to 1 MiB each and a client takes messages of 4 MiB. A page that would be larger than this is cut
# short.
_PAGE_BYTES: Final = 3 * 1024 * 1024

# Unicode's last code point, and the surrogates, which no text contains.
_LAST: Final = "\U0010ffff"
_FIRST_SURROGATE: Final = 0xD800
_AFTER_SURROGATES: Final = 0xE000


class _Filters:
    """The conditions of a statement, and their values.

    The text of a condition is always written in this module. What callers send is only used as a value.
    """

    def __init__(self, **values: Any) -> None:
        self.clauses: list[str] = []
        self.values = values

    def add(self, clause: str, **values: Any) -> None:
        self.clauses.append(f" AND {clause}")
        self.values |= values

    def statuses(self, statuses: list[int]) -> None:
        if statuses:
            self.add("status IN (SELECT value FROM json_each(:statuses))", statuses=json.dumps(statuses))

    def times(self, column: str, request: Any, since: str, until: str) -> None:
        if request.HasField(since):
            self.add(f"{column} >= :since", since=wire.from_timestamp(getattr(request, since)))
        if request.HasField(until):
            self.add(f"{column} < :until", until=wire.from_timestamp(getattr(request, until)))

    def prefix(self, prefix: str) -> None:
        if prefix:
            # A range, so that the index on IDs is used; it is case-sensitive.
            self.add("id >= :prefix", prefix=prefix)
            beyond = _beyond(prefix)
            if beyond is not None:
                self.add("id < :beyond", beyond=beyond)

    def run(self, db: sqlite3.Connection, statement: str) -> sqlite3.Cursor:
        return db.execute(statement % {"filters": "".join(self.clauses)}, self.values)


def _beyond(prefix: str) -> str | None:
    """The first text that comes after every text with this prefix, in the order of code points; None where none does.

    SQLite compares the bytes of UTF-8, whose order is that of the code points.
    """
    shortened = prefix.rstrip(_LAST)
    if not shortened:
        return None
    following = ord(shortened[-1]) + 1
    return shortened[:-1] + chr(_AFTER_SURROGATES if following == _FIRST_SURROGATE else following)


def _limit(asked: int) -> int:
    return min(asked, _LARGEST_PAGE) if asked > 0 else _LARGEST_PAGE


def query(db: sqlite3.Connection, request: pb.QueryInstancesRequest) -> pb.QueryInstancesResponse:
    """A page of instances, oldest first, with a token where there are more. Raises InvalidError."""
    asked = request.query
    after_at, after_key = continuation_tokens.parts(asked.continuationToken.value, -1, -1)
    limit = _limit(asked.maxInstanceCount)
    filters = _Filters(after_at=after_at, after_key=after_key, limit=limit + 1)
    filters.statuses(list(asked.runtimeStatus))
    if asked.runtimeStatus and statuses.ENDED.isdisjoint(asked.runtimeStatus):
        # The statuses imply this. It is added so that SQLite uses the index of instances that have not ended.
        filters.add("completed_at IS NULL")
    filters.times("created_at", asked, "createdTimeFrom", "createdTimeTo")
    filters.prefix(asked.instanceIdPrefix.value)
    response = pb.QueryInstancesResponse()
    size = 0
    last: Any = None
    # One row at a time: a thousand rows with their payloads would be 2 GiB.
    with closing(filters.run(db, Q.list_instances)) as rows:
        for row in rows:
            state = instances.state(row, payloads=asked.fetchInputsAndOutputs)
            size += state.ByteSize()
            if last is not None and (len(response.orchestrationState) == limit or size > _PAGE_BYTES):
                response.continuationToken.value = continuation_tokens.token(last["created_at"], last["key"])
                break
            response.orchestrationState.append(state)
            last = row
    return response


def ended_ids(db: sqlite3.Connection, request: pb.ListInstanceIdsRequest) -> pb.ListInstanceIdsResponse:
    """A page of the IDs of ended instances, in the order in which they ended. Raises InvalidError."""
    after_at, after_id = continuation_tokens.parts(request.lastInstanceKey.value, -1, "")
    limit = min(request.pageSize, _LARGEST_PAGE) if request.pageSize > 0 else _PAGE
    filters = _Filters(after_at=after_at, after_id=after_id, limit=limit + 1)
    filters.statuses(list(request.runtimeStatus))
    filters.times("completed_at", request, "completedTimeFrom", "completedTimeTo")
    rows = filters.run(db, Q.list_ended).fetchall()
    response = pb.ListInstanceIdsResponse(instanceIds=[row["id"] for row in rows[:limit]])
    if len(rows) > limit:
        last = rows[limit - 1]
        response.lastInstanceKey.value = continuation_tokens.token(last["completed_at"], last["id"])
    return response


def purgeable(db: sqlite3.Connection, asked: pb.PurgeInstanceFilter, after: int, limit: int) -> list[int]:
    """The keys of up to `limit` ended instances that match the filter: above `after`, in rising order."""
    filters = _Filters(after_key=after, limit=limit)
    filters.statuses(list(asked.runtimeStatus))
    filters.times("created_at", asked, "createdTimeFrom", "createdTimeTo")
    return [row["key"] for row in filters.run(db, Q.list_purgeable)]


def ended_keys(db: sqlite3.Connection, instance_ids: list[str]) -> list[int]:
    """The keys of these instances, without those that do not exist or have not ended."""
    return [row["key"] for row in db.execute(Q.list_ended_keys, (json.dumps(instance_ids),))]


def family(db: sqlite3.Connection, keys: list[int]) -> list[int]:
    """These instances and their ended sub-orchestrations, and theirs, and so on; parents before children."""
    out = list(keys)
    while keys:
        keys = [row["key"] for row in db.execute(Q.list_family, (json.dumps(keys),))]
        out += keys
    return out


def entities(db: sqlite3.Connection, request: pb.QueryEntitiesRequest) -> pb.QueryEntitiesResponse:
    """A page of entities, by ID. Raises InvalidError.

    Entities without a state are left out, unless the request includes transient ones.
    """
    asked = request.query
    (after_id,) = continuation_tokens.parts(asked.continuationToken.value, "")
    limit = _limit(asked.pageSize.value)
    filters = _Filters(after_id=after_id, limit=limit + 1)
    filters.prefix(asked.instanceIdStartsWith.value)
    filters.times("updated_at", asked, "lastModifiedFrom", "lastModifiedTo")
    if not asked.includeTransient:
        filters.add("e.state IS NOT NULL")
    response = pb.QueryEntitiesResponse()
    size = 0
    with closing(filters.run(db, Q.list_entities)) as rows:  # one at a time, as above
        for row in rows:
            entity = pb.EntityMetadata(
                instanceId=row["id"],
                lastModifiedTime=wire.to_timestamp(row["updated_at"]),
                backlogQueueSize=row["backlog"],
                lockedBy=wire.text(row["lock_owner"]),
                serializedState=wire.text(row["state"]) if asked.includeState else None,
            )
            fit(entity)
            size += entity.ByteSize()
            listed = len(response.entities)
            if listed and (listed == limit or size > _PAGE_BYTES):
                response.continuationToken.value = continuation_tokens.token(response.entities[-1].instanceId)
                break
            response.entities.append(entity)
    return response


def history(db: sqlite3.Connection, request: pb.StreamInstanceHistoryRequest) -> Iterator[pb.HistoryChunk]:
    """The history of the instance's execution, in chunks of a size that a client takes. Raises NotFoundError.

    An execution that has continued as new leaves no history, so it is not found.
    """
    row = db.execute(Q.instance_brief, (request.instanceId,)).fetchone()
    if row is None:
        raise instances.unknown(request.instanceId)
    if request.executionId.value not in {"", row["execution"]}:
        raise NotFoundError(
            f"There is no history of the execution {request.executionId.value!r}; "
            f"{row['id']!r} is in its execution {row['execution']!r}."
        )
    return _chunks(row["id"], db.execute(Q.history_of, (row["key"],)).fetchall())


def _chunks(instance_id: str, pieces: list[Any]) -> Iterator[pb.HistoryChunk]:
    chunk, size = pb.HistoryChunk(), 0
    for event in _events(instance_id, pieces):
        size += event.ByteSize()
        if chunk.events and size > _PAGE_BYTES:
            yield chunk
            chunk, size = pb.HistoryChunk(), event.ByteSize()
        chunk.events.append(event)
    yield chunk


def _events(instance_id: str, pieces: list[Any]) -> Iterator[pb.HistoryEvent]:
    for piece in pieces:
        try:
            events = wire.parse_history(packing.plain(piece["turn"], piece["events"]))
        except DecodeError as error:
            raise DamagedError(
                f"The history of {instance_id!r} cannot be read. Check the hub's file with `countersign hub check`."
            ) from error
        for event in events:
            fit(event)
            yield event
