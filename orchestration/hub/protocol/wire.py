"""Work items, histories and times in the form of the protocol.

A worker gets the whole history on every turn, so the hub saves most if it never decodes that history. On the
wire, repeated messages stand one after the other: a tag, a length and the bytes of each. So the history of a
turn is stored as the bytes that `OrchestratorRequest.past_events` needs, and a work item is made by joining bytes.

Times are whole microseconds since the Unix epoch, UTC, everywhere in the hub.
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

# The tag of an activity's work item that says whether it was given to a worker before, and its two values. The
# orchestrator cannot set it: of two map entries with the same key the last one counts, and the hub appends this one
# last.
DISPATCH_TAG: Final = "durabletask.hub.dispatch"
FIRST: Final = "first"
AGAIN: Final = "again"

HEALTH_PING: Final = pb.WorkItem(healthPing=pb.HealthPing()).SerializeToString()


def to_micros(when: datetime) -> int:
    """Microseconds since the epoch; `when` is aware."""
    return (when - _EPOCH) // _MICROSECOND


def to_datetime(at: int) -> datetime:
    """The aware UTC datetime of `at` microseconds since the epoch, or the last datetime if `at` is later."""
    return _EPOCH + timedelta(microseconds=min(at, _LAST_MOMENT))


def to_timestamp(at: int) -> Timestamp:
    """The protobuf form of `at` microseconds since the epoch."""
    return Timestamp(seconds=at // 1_000_000, nanos=at % 1_000_000 * 1000)


def from_timestamp(timestamp: Timestamp) -> int:
    """Microseconds since the epoch of a protobuf timestamp, rounded up: a timer must never fire early.

    A time later than the file can hold (292,000 years from now) becomes the last that it can hold.
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
    return pb.HistoryEvent(eventId=event_id, timestamp=to_timestamp(at), **body).SerializeToString()  # type: ignore[arg-type]  # a stub for each event type would say no more than the name does


def history(events: list[bytes]) -> bytes:
    """Events as a piece of history; pieces can be joined to one history."""
    return b"".join(field(_PAST, one) for one in events)


def parse_history(piece: bytes) -> list[pb.HistoryEvent]:
    """The events of one piece of history, or of several that were joined."""
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


def activity_item(token: str, request: bytes, *, first: bool) -> bytes:
    """The work item of one activity; `request` is an `ActivityRequest`.

    `first` says that no worker was given it before, on this hub or an earlier one on the file.
    """
    # On the wire the entries of a map are a repeated message, so one more is added without decoding the rest.
    tagged = request + (_FIRST_TAG if first else _AGAIN_TAG)
    return _item(pb.WorkItem.ACTIVITYREQUEST_FIELD_NUMBER, tagged, token)


def entity_item(token: str, request: bytes) -> bytes:
    """The work item of a batch of entity operations; `request` is an `EntityRequest`."""
    return _item(pb.WorkItem.ENTITYREQUESTV2_FIELD_NUMBER, request, token)


def _item(number: int, request: bytes, token: str) -> bytes:
    return field(number, request) + field(pb.WorkItem.COMPLETIONTOKEN_FIELD_NUMBER, token.encode())


_FIRST_TAG: Final = pb.ActivityRequest(tags={DISPATCH_TAG: FIRST}).SerializeToString()
_AGAIN_TAG: Final = pb.ActivityRequest(tags={DISPATCH_TAG: AGAIN}).SerializeToString()
