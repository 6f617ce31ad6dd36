"""Failures, cut to a size that every reader takes: what a worker raised can be of any length and depth."""

from typing import Final

from durabletask.internal import orchestrator_service_pb2 as pb
from google.protobuf.message import DecodeError
from google.protobuf.struct_pb2 import Value

# Bytes of UTF-8.
ERROR_TYPE: Final = 512
MESSAGE: Final = 32 * 1024
STACK_TRACE: Final = 32 * 1024
# Bytes of all properties of one failure, and how deep their values may nest.
PROPERTIES: Final = 8 * 1024
_PROPERTIES_DEPTH: Final = 8
# A failure and its causes. Each is a message in a message, of which readers take a hundred.
CAUSES: Final = 8


def shortened(text: str, limit: int) -> str:
    """The text; if it has more than `limit` bytes of UTF-8, a mark replaces its middle."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode()
    if len(data) <= limit:
        return text
    mark = f"[… {len(data):,} bytes, shortened …]"
    kept = max(limit - len(mark.encode()), 0) // 2
    # A character that is cut in half is left out.
    head, tail = data[:kept].decode(errors="ignore"), data[len(data) - kept :].decode(errors="ignore")
    return f"{head}{mark}{tail}"


def shorten(failure: pb.TaskFailureDetails) -> None:
    """Cut a failure and its causes where they are too long, with a mark; drop causes that are too deep."""
    for level in range(1, CAUSES + 1):
        failure.errorType = shortened(failure.errorType, ERROR_TYPE)
        message = shortened(failure.errorMessage, MESSAGE)
        if failure.HasField("stackTrace"):
            failure.stackTrace.value = shortened(failure.stackTrace.value, STACK_TRACE)
        if failure.properties and not _properties_fit(failure):
            failure.ClearField("properties")
            message = shortened(f"{message} [its properties are left out]", MESSAGE)
        if level == CAUSES and failure.HasField("innerFailure"):
            failure.ClearField("innerFailure")
            message = shortened(f"{message} [its causes are left out]", MESSAGE)
        failure.errorMessage = message
        if not failure.HasField("innerFailure"):
            return
        failure = failure.innerFailure


def recorded(content: bytes) -> pb.TaskFailureDetails:
    """A failure from the file, as readers take it: an old one may be too long, or unreadable."""
    try:
        failure = pb.TaskFailureDetails.FromString(content)
    except DecodeError:
        words = f"The {len(content):,} bytes that are recorded of this failure cannot be read."
        return pb.TaskFailureDetails(errorType="UnreadableFailure", errorMessage=words)
    shorten(failure)
    return failure


def _properties_fit(failure: pb.TaskFailureDetails) -> bool:
    properties = failure.properties
    size = sum(len(name) * 4 + value.ByteSize() for name, value in properties.items())
    return size <= PROPERTIES and all(_is_shallow(value, _PROPERTIES_DEPTH) for value in properties.values())


def _is_shallow(value: Value, depth: int) -> bool:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        values = list(value.struct_value.fields.values())
    elif kind == "list_value":
        values = list(value.list_value.values)
    else:
        return True
    return depth > 0 and all(_is_shallow(one, depth - 1) for one in values)
