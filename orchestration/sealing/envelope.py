"""How a seal travels: as the first member of the JSON object that it seals, under `$seal`.

So other programs, dashboards and auditors read the JSON as before. What is no object goes along under `$value`.
"""

from __future__ import annotations

from typing import Final

SEAL: Final = "$seal"
_BEGIN: Final = f'{{"{SEAL}":"'
_VALUE: Final = ',"$value":'
_LIKE_VALUE: Final = "{" + _VALUE[1:]  # an object that would look like something that is none


def put(seal: str, text: str) -> str:
    """The JSON `text` with its seal."""
    if not text.startswith("{") or text.startswith(_LIKE_VALUE):
        return f'{_BEGIN}{seal}"{_VALUE}{text}}}'
    return f'{_BEGIN}{seal}"{"" if text == "{}" else ","}{text[1:]}'


def take(text: str) -> tuple[str, str]:
    """The seal and the JSON that was sealed. The seal is empty where there is none."""
    if not text.startswith(_BEGIN):
        return "", text
    end = text.find('"', len(_BEGIN))
    seal, rest = text[len(_BEGIN) : end], text[end + 1 :]
    if not seal or end < 0 or not rest.endswith("}"):
        return "", text
    if rest.startswith(_VALUE):
        return seal, rest[len(_VALUE) : -1]
    return seal, "{" + rest.removeprefix(",")
