"""E-mail addresses: checks those that programs give, and masks them for people and records."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 254  # characters, as RFC 5321 allows in a path
_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"(?=.{{1,{LONGEST}}}\Z)(?=[^@]{{1,64}}@){_LOCAL}@(?:{_LABEL}\.)+{_LABEL}\Z")


def email_address(text: str) -> str:
    """An address such as `rita@example.com`: ASCII, without a name, quotes or comments. Raises `ValueError`.

    So nothing in it can become a header or a second recipient. Other scripts are written in Punycode.
    """
    if _ADDRESS.match(text) is None:
        raise ValueError("an e-mail address is written such as rita@example.com, in ASCII and without a name")
    return text


def address_key(address: str) -> str:
    """The address in the form in which it is compared: no mail server in use distinguishes upper and lower case."""
    return f"mailto:{address.casefold()}"


def masked_address(address: str) -> str:
    """The address as people and records may see it: `r•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"
