"""Protobuf bytes, cut and joined without parsing them.

A worker replays the whole history on every turn, so the hub's cheapest work is to never decode that history.
Repeated messages are, on the wire, a tag, a length and the bytes, one after the other; hence the history of a
turn is stored as the very bytes that `OrchestratorRequest.past_events` needs, and a work item is a
concatenation.

Times are whole microseconds since the Unix epoch, UTC, throughout the hub.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import StringValue

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LENGTH_DELIMITED: Final = 2
_LATEST: Final = (1 << 63) - 1
_LAST_MOMENT: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND

_INSTANCE: Final = pb.OrchestratorRequest.INSTANCEID_FIELD_NUMBER
_EXECUTION: Final = pb.OrchestratorRequest.EXECUTIONID_FIELD_NUMBER
_PAST: Final = pb.OrchestratorRequest.PASTEVENTS_FIELD_NUMBER
_NEW: Final = pb.OrchestratorRequest.NEWEVENTS_FIELD_NUMBER
_TRACE: Final = pb.OrchestratorRequest.ORCHESTRATIONTRACECONTEXT_FIELD_NUMBER

HEALTH_PING: Final = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()


def micros(when: datetime) -> int:
    """The moment as microseconds since the epoch; `when` is aware."""
    return (when - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The aware UTC datetime of `at` microseconds since the epoch; the last there is, where it lies beyond."""
    return _EPOCH + timedelta(microseconds=min(at, _LAST_MOMENT))


def stamp(at: int) -> Timestamp:
    """The protobuf form of `at` microseconds since the epoch."""
    return Timestamp(seconds=at // 1_000_000, nanos=at % 1_000_000 * 1000)


def unstamp(timestamp: Timestamp) -> int:
    """Microseconds since the epoch of a protobuf timestamp, rounded up: what is due must never be early.

    What lies beyond all that the file can hold (in 292,000 years) is due at its end.
    """
    return max(-_LATEST, min(_LATEST, timestamp.seconds * 1_000_000 - (-timestamp.nanos // 1000)))


def text(value: str | None) -> StringValue | None:
    """A string as the protocol's optional string."""
    return None if value is None else StringValue(value=value)


_SMALL: Final = tuple(bytes((number,)) for number in range(0x80))


def _varint(number: int) -> bytes:
    if number <= 0x7F:
        return _SMALL[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """One length-delimited field: tag, length, payload."""
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(payload)) + payload


def event(at: int, event_id: int = -1, **body: object) -> bytes:
    """A history event's bytes; `body` is the one member of its `eventType`."""
    return pb.HistoryEvent(eventId=event_id, timestamp=stamp(at), **body).SerializeToString()  # type: ignore[arg-type]  # one stub per event type says no more than the name does


def history(events: list[bytes]) -> bytes:
    """Events as a piece of history, ready to be joined to other pieces."""
    return b"".join(field(_PAST, one) for one in events)


def parse_history(piece: bytes) -> list[pb.HistoryEvent]:
    """The events of one or many joined pieces of history."""
    return list(pb.OrchestratorRequest.FromString(piece).pastEvents)


def turn_item(
    token: str, instance_id: str, execution: str, past: list[bytes], new: list[bytes], trace: bytes | None
) -> bytes:
    """The work item of one orchestration turn, as sent to a worker."""
    # A StringValue is a message whose field 1 is the string.
    head = field(_INSTANCE, instance_id.encode()) + field(_EXECUTION, field(1, execution.encode()))
    parts = [head, *past, *(field(_NEW, one) for one in new)]
    if trace:
        parts.append(field(_TRACE, trace))
    return _item(pb.WorkItem.ORCHESTRATORREQUEST_FIELD_NUMBER, b"".join(parts), token)


def activity_item(token: str, request: bytes) -> bytes:
    """The work item of one activity; `request` is an `ActivityRequest`."""
    return _item(pb.WorkItem.ACTIVITYREQUEST_FIELD_NUMBER, request, token)


def entity_item(token: str, request: bytes) -> bytes:
    """The work item of a batch of entity operations; `request` is an `EntityRequest`."""
    return _item(pb.WorkItem.ENTITYREQUESTV2_FIELD_NUMBER, request, token)


def _item(number: int, request: bytes, token: str) -> bytes:
    return field(number, request) + field(pb.WorkItem.COMPLETIONTOKEN_FIELD_NUMBER, token.encode())
