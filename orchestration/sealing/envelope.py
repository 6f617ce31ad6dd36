"""How a seal is transported: as the first member, `$seal`, of the JSON object that it seals.

So other programs, dashboards and auditors read the JSON as before. A value that is no object is put under `$value`. An
event may have its sender's trace under `$trace`, after the seal. The trace is not sealed, and only tracing reads it.
"""

from __future__ import annotations

import re
from typing import Final

SEAL: Final = "$seal"
TRACE: Final = "$trace"
_BEGIN: Final = f'{{"{SEAL}":"'
_TRACE: Final = f',"{TRACE}":"'
_VALUE: Final = ',"$value":'
_LIKE_VALUE: Final = "{" + _VALUE[1:]  # objects that look like a wrapped value that is no object
_LIKE_TRACE: Final = "{" + _TRACE[1:]
# The trace is not sealed, so its form must not let it end its own JSON member.
_FORM: Final = re.compile(r"[0-9a-f-]{55}")


def put(seal: str, text: str, trace: str = "") -> str:
    """The JSON `text` with its seal, and with the sender's `traceparent` if one is given."""
    begin = f'{_BEGIN}{seal}"'
    if trace:
        begin += f'{_TRACE}{trace}"'
    if not text.startswith("{") or text.startswith((_LIKE_VALUE, _LIKE_TRACE)):
        return f"{begin}{_VALUE}{text}}}"
    return f"{begin}{'' if text == '{}' else ','}{text[1:]}"


def take(text: str) -> tuple[str, str]:
    """The seal and the JSON that was sealed. The seal is empty if there is none."""
    seal, _, rest = _split(text)
    if not seal:
        return "", text
    if rest.startswith(_VALUE):
        return seal, rest[len(_VALUE) : -1]
    return seal, "{" + rest.removeprefix(",")


def trace_of(text: str) -> str:
    """The unsealed `traceparent` beside the seal, which anybody may have changed; empty if there is none."""
    return _split(text)[1]


def _split(text: str) -> tuple[str, str, str]:
    """The seal, the trace and the rest. All are empty if there is no seal."""
    if not text.startswith(_BEGIN):
        return "", "", ""
    seal, quote, rest = text[len(_BEGIN) :].partition('"')
    trace = ""
    if rest.startswith(_TRACE):
        trace, quote, rest = rest[len(_TRACE) :].partition('"')
        if not _FORM.fullmatch(trace):
            return "", "", ""
    if not seal or not quote or not rest.endswith("}"):
        return "", "", ""
    return seal, trace, rest
