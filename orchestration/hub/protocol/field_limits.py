"""The limits of every field of the protocol, for messages that come in and messages that go out.

A field that is in no table (an SDK may add one) has the strictest limit. Sizes are bytes of UTF-8.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import cache
from typing import Any, Final, NamedTuple

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue

from orchestration.hub.protocol import failures, limits

# The ID of an instance that is started must be shorter: see `limits.instance_id`.
ID: Final = 1000
NAME: Final = 512
TEXT: Final = 16 * 1024
TRACE: Final = 4 * 1024
# All tags of one instance or activity together.
TAGS: Final = 16 * 1024
_STRICTEST: Final = 512
# A failure of this many bytes has fewer than a hundred causes, which is what readers take.
_SMALL_WITH_FAILURE: Final = 128

LIMITS: Final = {
    # IDs, and what is made of them.
    "instanceId": ID,
    "instanceIds": ID,
    "instanceIdPrefix": ID,
    "instanceIdStartsWith": ID,
    "executionId": ID,
    "parentInstanceId": ID,
    "parentExecutionId": ID,
    "targetInstanceId": ID,
    "lockSet": ID,
    "criticalSectionId": ID,
    "requestId": ID,
    "worker_instance_id": ID,
    "completionToken": ID,
    "taskHubNames": ID,
    "continuationToken": 8 * ID,  # an ID, twice encoded
    "lastInstanceKey": 8 * ID,
    # Names.
    "name": NAME,
    "version": NAME,
    "newVersion": NAME,
    "versions": NAME,
    "operation": NAME,
    # Payloads.
    "input": limits.PAYLOAD,
    "result": limits.PAYLOAD,
    "output": limits.PAYLOAD,
    "data": limits.PAYLOAD,
    "details": limits.PAYLOAD,
    "customStatus": limits.PAYLOAD,
    "entityState": limits.PAYLOAD,
    "serializedState": limits.PAYLOAD,
    # Texts for people.
    "reason": TEXT,
    "ExecutionSuspendedEvent.input": TEXT,
    "ExecutionResumedEvent.input": TEXT,
    # The reason becomes the output of the instance that is ended.
    "TerminateOrchestrationAction.reason": limits.PAYLOAD,
    "SkipGracefulOrchestrationTerminationsRequest.reason": limits.PAYLOAD,
    # Traces.
    "traceParent": TRACE,
    "traceState": TRACE,
    "spanID": TRACE,
    "orchestrationSpanID": TRACE,
}
# The most values of a repeated field. Locks have a lower limit: they are taken one after the other within one call.
_COUNT: Final = 10_000
_COUNTS: Final = {"lockSet": 100, "actions": 100_000, "newHistory": 100_000, "carryoverEvents": 100_000}


class FieldKind(Enum):
    """The kind of a field's content, which decides how its limit is checked."""

    TEXT = auto()
    TEXTS = auto()
    WRAPPED = auto()  # a text in a message of its own, so that it can be absent
    TAGS = auto()
    FAILURE = auto()
    MESSAGE = auto()
    MESSAGES = auto()
    NUMBERS = auto()


class FieldLimit(NamedTuple):
    """The limits of one field: the most bytes of each text, and the most texts."""

    kind: FieldKind
    limit: int
    most: int


class MessageLimits(NamedTuple):
    """The rules for the fields of a kind of message, by number. Single numbers, enumerations and times need none.

    A message of up to `small` bytes keeps them all, whatever is in it.
    """

    by_number: dict[int, FieldLimit]
    small: int


def rules_of(message: Message) -> MessageLimits:
    """The rules for messages like this one."""
    kind: Any = type(message)
    return _rules(kind)


@cache
def _rules(kind: Any) -> MessageLimits:
    described = kind.DESCRIPTOR
    found = {field.number: _rule(described.name, field) for field in described.fields}
    small = _SMALL_WITH_FAILURE if _has_failure(described, set()) else _STRICTEST
    return MessageLimits({number: rule for number, rule in found.items() if rule is not None}, small)


def _has_failure(described: Descriptor, seen: set[str]) -> bool:
    """Whether a failure can be in such a message, at any depth."""
    if described.full_name in seen:
        return False
    seen.add(described.full_name)
    inner = [field.message_type for field in described.fields if field.message_type is not None]
    return described is pb.TaskFailureDetails.DESCRIPTOR or any(_has_failure(one, seen) for one in inner)


def _rule(message: str, field: FieldDescriptor) -> FieldLimit | None:
    kind = _kind(field)
    if kind is None:
        return None
    limit = LIMITS.get(f"{message}.{field.name}", LIMITS.get(field.name, _STRICTEST))
    return FieldLimit(kind, TAGS if kind is FieldKind.TAGS else limit, _COUNTS.get(field.name, _COUNT))


def _kind(field: FieldDescriptor) -> FieldKind | None:
    described = field.message_type
    if described is None:
        is_text = field.type in {FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES}
        single, repeated = (FieldKind.TEXT, FieldKind.TEXTS) if is_text else (None, FieldKind.NUMBERS)
        return repeated if field.is_repeated else single
    return _kind_of_messages(field, described)


def _kind_of_messages(field: FieldDescriptor, described: Descriptor) -> FieldKind | None:
    if described.GetOptions().map_entry:
        return FieldKind.TAGS
    if described is pb.TaskFailureDetails.DESCRIPTOR:
        return FieldKind.FAILURE
    if field.is_repeated:
        return FieldKind.MESSAGES
    if described is StringValue.DESCRIPTOR:
        return FieldKind.WRAPPED
    return FieldKind.MESSAGE if described.file is pb.DESCRIPTOR else None


def excess(message: Message) -> str | None:
    """A sentence that names the first field of this message over its limit, or None where there is none.

    Failures that are too long are not over a limit: they are cut in place.
    """
    found = _first_excess(message)
    if found is None:
        return None
    path, size, limit, unit = found
    remedy = " Pass a reference to it instead." if limit == limits.PAYLOAD else ""
    return f"The field {path} has {size:,} {unit}; at most {limit:,} are allowed.{remedy}"


class _Excess(NamedTuple):
    path: str
    size: int
    limit: int
    unit: str = "bytes"


def _first_excess(message: Message) -> _Excess | None:
    known, small = rules_of(message)
    if message.ByteSize() <= small:
        return None
    for field, value in message.ListFields():
        rule = known.get(field.number)
        if rule is None:
            continue
        found = _FINDERS[rule.kind](rule, value)
        if found is not None:
            return found._replace(path=field.name + found.path)
    return None


def _text(rule: FieldLimit, value: str) -> _Excess | None:
    if len(value) * 4 <= rule.limit:
        return None
    size = len(value.encode())
    return _Excess("", size, rule.limit) if size > rule.limit else None


def _tags(rule: FieldLimit, value: Mapping[str, str]) -> _Excess | None:
    size = sum(len(name.encode()) + len(text.encode()) for name, text in value.items())
    return _Excess("", size, rule.limit) if size > rule.limit else None


def _failure(_rule: FieldLimit, value: pb.TaskFailureDetails) -> None:
    failures.shorten(value)


def _in_each(
    find: Callable[[FieldLimit, Any], _Excess | None],
) -> Callable[[FieldLimit, Any], _Excess | None]:
    def find_in_each(rule: FieldLimit, values: Any) -> _Excess | None:
        if len(values) > rule.most:
            return _Excess("", len(values), rule.most, "items")
        for place, value in enumerate(values):
            found = find(rule, value)
            if found is not None:
                return found._replace(path=f"[{place}]{found.path}")
        return None

    return find_in_each


def _message(_rule: FieldLimit, value: Message) -> _Excess | None:
    found = _first_excess(value)
    return None if found is None else found._replace(path="." + found.path)


_FINDERS: Final[dict[FieldKind, Callable[[FieldLimit, Any], _Excess | None]]] = {
    FieldKind.TEXT: _text,
    FieldKind.TEXTS: _in_each(_text),
    FieldKind.WRAPPED: lambda rule, value: _text(rule, value.value),
    FieldKind.TAGS: _tags,
    FieldKind.FAILURE: _failure,
    FieldKind.MESSAGE: _message,
    FieldKind.MESSAGES: _in_each(_message),
    FieldKind.NUMBERS: _in_each(lambda _rule, _value: None),
}
