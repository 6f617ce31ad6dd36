"""Reads what a client sends, so strictly that no server can read it as something else.

What is refused here could be one message for the gate and another one for the server behind it: a name twice, a line
break in the middle, two spellings of one name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from bot.gate.call_json import CallJsonError, parse
from orchestration.domain.arguments import canonical
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.names import folded

RequestId = int | str
Json = dict[str, Any]

LARGEST: Final = 16 * 1024 * 1024  # bytes of one message of a client
CALL: Final = "tools/call"
CANCELLED: Final = "notifications/cancelled"
DISCOVER: Final = "server/discover"

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

_ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
_CALL_PARAMS: Final = frozenset({"name", "arguments", "_meta", "task", "inputResponses", "requestState"})
_FOLDED_PARAMS: Final = {folded(name): name for name in _CALL_PARAMS}
# The tool names that can be asked about. The gate and the server could read any other name differently.
_TOOL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,127}")
_NEITHER: Final = "is neither a request nor the answer to one"
# Some servers also end a line at these characters: they would read one message as several.
_NO_PART_OF_A_LINE: Final = re.compile(rb"[\x00-\x1f\x7f]|\xe2\x80[\xa8\xa9]|\xc2\x85")


class BadMessageError(Exception):
    """The message is refused and no server gets it. `request_id` is the ID to answer, if it is known."""

    def __init__(self, reason: str, code: int = INVALID_REQUEST, request_id: RequestId | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.request_id = request_id


class MessageKind(Enum):
    """What a message is."""

    REQUEST = auto()
    NOTIFICATION = auto()
    RESPONSE = auto()


@dataclass(frozen=True)
class ClientMessage:
    """One message of a client. `line` is what is sent to the server, without its line break."""

    kind: MessageKind
    body: Json
    line: bytes

    @property
    def method(self) -> str:
        """Empty for a response."""
        return str(self.body.get("method", ""))

    @property
    def id(self) -> RequestId:
        """Of a request or a response."""
        found: RequestId = self.body["id"]
        return found

    @property
    def params(self) -> Json:
        """Empty where there are none."""
        found: Json = self.body.get("params") or {}
        return found


@dataclass(frozen=True)
class ToolCallMessage:
    """A call of a tool. `params` are all of it, as they came."""

    tool: str
    arguments: Json
    params: Json = field(repr=False)

    @property
    def meta(self) -> Json:
        """Empty where there is none."""
        found: Json = self.params.get("_meta") or {}
        return found

    @property
    def progress_token(self) -> RequestId | None:
        """The token with which the client asks for progress notifications."""
        found = self.meta.get("progressToken")
        return found if isinstance(found, (int, str)) and not isinstance(found, bool) else None

    @property
    def continues(self) -> bool:
        """Whether it answers what the server asked about an earlier call."""
        return "inputResponses" in self.params or "requestState" in self.params

    def params_with(self, arguments: Mapping[str, Any], more: Mapping[str, Any]) -> Json:
        """Returns the params of the call to make, with the approved arguments and `more`."""
        given = {} if not arguments and "arguments" not in self.params else {"arguments": dict(arguments)}
        return {**self.params, **more, **given}

    @property
    def continuing(self) -> Json:
        """The client's answer to the server's question."""
        return {name: self.params[name] for name in ("inputResponses", "requestState") if name in self.params}


def read(line: bytes) -> ClientMessage:
    """Reads one message. Raises `BadMessageError`."""
    try:
        body = parse(line, largest=LARGEST)
        kind = _kind(body)
    except CallJsonError as error:
        request_id = id_of(line)
        code = INVALID_REQUEST if request_id is not None else PARSE_ERROR
        raise BadMessageError(f"The message {error}. It was not passed on.", code, request_id) from error
    if _NO_PART_OF_A_LINE.search(line):
        line = write(body)
    return ClientMessage(kind, body, line)


def _kind(body: Any) -> MessageKind:
    """Raises `CallJsonError`."""
    if isinstance(body, list):
        raise CallJsonError("is a batch; send one message a line")
    if not isinstance(body, dict):
        raise CallJsonError("is no object")
    if strange := sorted(body.keys() - _ENVELOPE):
        raise CallJsonError(f"has {strange[0][:40]!a}, which no message has")
    if body.get("jsonrpc") != "2.0":
        raise CallJsonError('has no "jsonrpc": "2.0"')
    has_id = "id" in body
    is_id = has_id and isinstance(body["id"], (int, str)) and not isinstance(body["id"], bool)
    answers = ("result" in body) + ("error" in body)
    if "method" not in body:
        if answers != 1 or not (is_id or (has_id and body["id"] is None)):
            raise CallJsonError(_NEITHER)
        return MessageKind.RESPONSE
    _check_asking(body, answers)
    if has_id and not is_id:
        raise CallJsonError("has an id that is neither a text nor an integer")
    return MessageKind.REQUEST if has_id else MessageKind.NOTIFICATION


def _check_asking(body: Json, answers: int) -> None:
    """Raises `CallJsonError` for a request or a notification that is wrong."""
    if not isinstance(body["method"], str) or answers:
        raise CallJsonError(_NEITHER)
    if not isinstance(body.get("params"), dict | None):
        raise CallJsonError("has params that are no object")
    if body["method"] != CALL and _letters(body["method"]) == _letters(CALL):
        raise CallJsonError(f"has a method that could be read as {CALL}")


def _letters(method: str) -> str:
    """Returns a method's name without case, invisible characters and separators, which some servers ignore."""
    return "".join(one for one in folded(method) if one.isalnum())


def id_of(line: bytes) -> RequestId | None:
    """Returns the ID of a refused request, so that its sender gets an answer."""
    try:
        body = json.loads(line[:LARGEST])
    except (ValueError, RecursionError):
        return None
    found = body.get("id") if isinstance(body, dict) and "method" in body else None
    return found if isinstance(found, (int, str)) and not isinstance(found, bool) else None


def call_of(message: ClientMessage) -> ToolCallMessage:
    """Returns the call that a request makes. Raises `BadMessageError`."""

    def bad(reason: str) -> BadMessageError:
        return BadMessageError(f"{reason} The call was not made.", INVALID_PARAMS, message.id)

    params = message.params
    for name in params:
        known = _FOLDED_PARAMS.get(folded(name))
        if known not in {None, name}:
            raise bad(f"The params have {name[:40]!a}, which could be read as {known!r}.")
        if known is None:  # No rule checks it and no person would see it, but the server would get it.
            raise bad(f"The params have {name[:40]!a}, which no call of a tool has.")
    tool, arguments = params.get("name"), params.get("arguments", {})
    if not isinstance(tool, str) or not isinstance(arguments, dict):
        raise bad("The params need a name, which is a text, and arguments, which are an object.")
    if not _TOOL.fullmatch(tool):
        raise bad(f"{tool[:40]!a} is no name of a tool: ASCII letters, digits and _.:/@- alone.")
    if not isinstance(params.get("_meta", {}), dict):
        raise bad("The params have a _meta that is no object.")
    if _has_a_name_in_two_spellings(arguments):
        raise bad("The arguments have two names in one object that differ in their spelling alone.")
    try:
        canonical(arguments)
    except InvalidRequestError as error:
        raise bad(f"The arguments {error}.") from error
    return ToolCallMessage(tool, arguments, params)


def _has_a_name_in_two_spellings(arguments: Json) -> bool:
    """Whether any object has two names that differ only in case: some servers ignore case and use the last one."""
    left: list[Any] = [arguments]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            if len({folded(name) for name in one}) < len(one):
                return True
            left += one.values()
        elif isinstance(one, list):
            left += one
    return False


# ---- what we say ourselves -------------------------------------------------------------------------------


def loads(line: bytes) -> Any:
    """What a server sent. Raises `ValueError`."""
    try:
        return json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def write(body: Mapping[str, Any]) -> bytes:
    """A message in ASCII, so that it is one line for everybody."""
    return json.dumps(body, separators=(",", ":")).encode()


def response(request_id: RequestId, result: Mapping[str, Any]) -> bytes:
    """The answer to a request."""
    return write({"jsonrpc": "2.0", "id": request_id, "result": result})


def error(request_id: RequestId | None, code: int, reason: str, data: Any = None) -> bytes:
    """The answer to a request that failed."""
    more = {} if data is None else {"data": data}
    return write({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": reason, **more}})


def request(request_id: RequestId, method: str, params: Mapping[str, Any]) -> bytes:
    """A request of ours."""
    return write({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def notification(method: str, params: Mapping[str, Any]) -> bytes:
    """A notification of ours."""
    return write({"jsonrpc": "2.0", "method": method, "params": params})


def refusal(reason: str) -> Json:
    """The result of a call that was not made."""
    return {"content": [{"type": "text", "text": reason}], "isError": True}
