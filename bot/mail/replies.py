"""Says whether a mail server's refusal is tried again, or else why it is final.

Its texts are not read, because they hold addresses.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from orchestration.challenge.models import Trouble

# The enhanced status code of RFC 3463, at the beginning of a reply's text.
_ENHANCED: Final = re.compile(rb"\s*([245])\.(\d{1,3})\.(\d{1,3})(?:\s|$)")
_BY_SUBJECT: Final = {
    1: Trouble.NO_MAILBOX,  # the address
    2: Trouble.MAILBOX_FULL,  # the mailbox
    5: Trouble.MAIL_REFUSED,  # the protocol between us and it
    7: Trouble.MAIL_FILTERED,  # policy
}
# 5.1.7 and 5.1.8 are about the sender's address, 5.7.8 and its like about our credentials.
_OF_US: Final = frozenset({(1, 7), (1, 8), (7, 0), (7, 8), (7, 9), (7, 11), (7, 14)})
_MAILBOX_CODES: Final = frozenset({550, 551, 553})
_FULL: Final = 552


class MailReply(NamedTuple):
    """A refusal. With `again` it is temporary. Else it is final, and `trouble` says why."""

    again: bool
    trouble: Trouble


def refused_at_recipient(code: int, text: bytes) -> MailReply:
    """RCPT was refused, and mostly for the mailbox."""
    if code < 500:
        return MailReply(again=True, trouble=Trouble.MAIL_UNSENT)
    meant = _enhanced(text)
    if meant is None:
        meant = Trouble.MAILBOX_FULL if code == _FULL else Trouble.MAIL_REFUSED
        meant = Trouble.NO_MAILBOX if code in _MAILBOX_CODES else meant
    return MailReply(again=False, trouble=meant)


def refused_as_sender(code: int) -> MailReply:
    """The greeting, the login or MAIL was refused: the server does not want us."""
    return MailReply(again=code < 500, trouble=Trouble.MAIL_UNSENT if code < 500 else Trouble.MAIL_REFUSED)


def refused_message(code: int, text: bytes) -> MailReply:
    """The message itself was refused, mostly as unwanted."""
    if code < 500:
        return MailReply(again=True, trouble=Trouble.MAIL_UNSENT)
    return MailReply(again=False, trouble=_enhanced(text) or Trouble.MAIL_FILTERED)


def _enhanced(text: bytes) -> Trouble | None:
    found = _ENHANCED.match(text)
    if found is None:
        return None
    subject, detail = int(found[2]), int(found[3])
    if (subject, detail) in _OF_US:
        return Trouble.MAIL_REFUSED
    return _BY_SUBJECT.get(subject)
