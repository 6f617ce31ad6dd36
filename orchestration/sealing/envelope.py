"""How a seal travels: as the first member of the JSON object that it seals, under `$seal`.

So other programs, dashboards and auditors read the JSON as before. What is no object goes along under `$value`. An
event may have the trace of whoever raised it behind its seal, under `$trace`: no seal is on that, and nothing but
traces is read from it.
"""

from __future__ import annotations

import re
from typing import Final

SEAL: Final = "$seal"
TRACE: Final = "$trace"
_BEGIN: Final = f'{{"{SEAL}":"'
_TRACE: Final = f',"{TRACE}":"'
_VALUE: Final = ',"$value":'
_LIKE_VALUE: Final = "{" + _VALUE[1:]  # objects that would look like something that is none
_LIKE_TRACE: Final = "{" + _TRACE[1:]
# No seal is on it, so it must not be able to end its own member of the JSON.
_FORM: Final = re.compile(r"[0-9a-f-]{55}")


def put(seal: str, text: str, trace: str = "") -> str:
    """The JSON `text` with its seal, and with the `traceparent` of who sends it where that is given."""
    begin = f'{_BEGIN}{seal}"'
    if trace:
        begin += f'{_TRACE}{trace}"'
    if not text.startswith("{") or text.startswith((_LIKE_VALUE, _LIKE_TRACE)):
        return f"{begin}{_VALUE}{text}}}"
    return f"{begin}{'' if text == '{}' else ','}{text[1:]}"


def take(text: str) -> tuple[str, str]:
    """The seal and the JSON that was sealed. The seal is empty where there is none."""
    seal, _, rest = _split(text)
    if not seal:
        return "", text
    if rest.startswith(_VALUE):
        return seal, rest[len(_VALUE) : -1]
    return seal, "{" + rest.removeprefix(",")


def trace_of(text: str) -> str:
    """The `traceparent` beside the seal, as whoever had the text says it; empty where there is none."""
    return _split(text)[1]


def _split(text: str) -> tuple[str, str, str]:
    """The seal, the trace and what follows. All are empty where there is no seal."""
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
