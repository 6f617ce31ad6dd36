"""A mail server's refusal is temporary or final, and its reason is in our own words."""

from __future__ import annotations

import pytest

from bot.mail import replies
from orchestration.challenge.models import Trouble
from orchestration.service.messages import TROUBLES


@pytest.mark.parametrize(
    ("code", "text", "trouble"),
    [
        (550, b"5.1.1 <rita@example.com>: user unknown", Trouble.NO_MAILBOX),
        (550, b"No such user here", Trouble.NO_MAILBOX),
        (553, b"mailbox name not allowed", Trouble.NO_MAILBOX),
        (552, b"5.2.2 The mailbox is over quota", Trouble.MAILBOX_FULL),
        (552, b"over quota", Trouble.MAILBOX_FULL),
        (550, b"5.2.1 disabled", Trouble.MAILBOX_FULL),
        (554, b"5.7.1 relay access denied", Trouble.MAIL_FILTERED),
        (550, b"5.1.8 sender's domain not found", Trouble.MAIL_REFUSED),
        (530, b"5.7.0 authentication required", Trouble.MAIL_REFUSED),
        (503, b"bad sequence", Trouble.MAIL_REFUSED),
    ],
)
def test_a_recipient_is_refused_for_good(code: int, text: bytes, trouble: Trouble) -> None:
    assert replies.refused_at_recipient(code, text) == (False, trouble)


@pytest.mark.parametrize("code", [421, 450, 451, 452])
def test_what_begins_with_4_is_for_now(code: int) -> None:
    assert replies.refused_at_recipient(code, b"4.7.1 greylisted").again
    assert replies.refused_message(code, b"4.3.0 later").again
    assert replies.refused_as_sender(code).again


def test_a_message_that_is_refused_is_mostly_unwanted() -> None:
    assert replies.refused_message(554, b"spam") == (False, Trouble.MAIL_FILTERED)
    assert replies.refused_message(552, b"5.2.2 full") == (False, Trouble.MAILBOX_FULL)
    assert replies.refused_as_sender(535) == (False, Trouble.MAIL_REFUSED)


def test_every_trouble_has_its_words() -> None:
    assert set(TROUBLES) == set(Trouble)
