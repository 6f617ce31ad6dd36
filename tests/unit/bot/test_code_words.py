"""The answer to a code, by SMS or typed, never says that it has ended before the code was checked."""

from __future__ import annotations

import pytest

from bot.twilio import webhooks
from orchestration.challenge.models import ChallengeProgress, ChallengeStatus, CodeResult, Trouble
from orchestration.service import messages
from orchestration.service.challenges import Heard

RIGHT = CodeResult(command_id="c", right=True, attempts_left=3)
WRONG = CodeResult(command_id="c", right=False, attempts_left=1)
LAST = CodeResult(command_id="c", right=False, attempts_left=0)


def challenge(status: ChallengeStatus, trouble: Trouble | None = None) -> ChallengeProgress:
    return ChallengeProgress(challenge_id="x", status=status, trouble=trouble)


WAITING, VERIFIED = challenge(ChallengeStatus.WAITING), challenge(ChallengeStatus.VERIFIED)
FAILED, EXPIRED = challenge(ChallengeStatus.FAILED, Trouble.WRONG), challenge(ChallengeStatus.EXPIRED)


@pytest.mark.parametrize(
    ("progress", "answer", "by_sms", "typed"),
    [
        (WAITING, None, webhooks.NOT_YET, messages.NOT_YET_CHECKED),
        (EXPIRED, None, webhooks.TOO_LATE, messages.CODE_ENDED),
        (VERIFIED, RIGHT, webhooks.RIGHT, ""),
        (VERIFIED, None, webhooks.RIGHT, ""),
        (WAITING, WRONG, "That code isn't right, 1 try left.", "That code isn't right, 1 try left."),
        (
            FAILED,
            LAST,
            webhooks.WRONG_LAST,
            "Your decision does not count: three wrong codes came in; please press again for a new one.",
        ),
    ],
)
def test_the_words_for_a_code(
    progress: ChallengeProgress, answer: CodeResult | None, by_sms: str, typed: str
) -> None:
    heard = Heard(waiting=1, challenge=progress, answered=answer)
    assert webhooks.words_for(heard, 6) == by_sms
    assert messages.typed_code(progress, answer) == typed


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (EXPIRED, webhooks.TOO_LATE),
        (VERIFIED, webhooks.USED),
        (FAILED, webhooks.NO_LONGER),
        (challenge(ChallengeStatus.FAILED, Trouble.CANCELLED), webhooks.NOT_NEEDED),
    ],
)
def test_a_code_that_comes_after_its_end_is_answered_with_its_fate(
    ended: ChallengeProgress, words: str
) -> None:
    assert webhooks.words_for(Heard(waiting=0, ended=ended), 6) == words
    assert webhooks.words_for(Heard(waiting=1, ended=ended), 6) == words + webhooks.NEWEST


def test_of_several_codes_it_is_said_which_has_come_and_none_is_taken_for_another() -> None:
    subject = 'approve purchase-k7m2x9qd: "See evil.example"'
    done = ChallengeProgress(challenge_id="c", status=ChallengeStatus.VERIFIED, subject=subject)
    assert webhooks.words_for(Heard(waiting=2, challenge=done), 6) == (
        'Thanks, confirmed: approve purchase-k7m2x9qd: "See evil. example".'
    )
    assert webhooks.words_for(Heard(waiting=1, challenge=done), 6) == webhooks.RIGHT
    assert webhooks.words_for(Heard(waiting=2, same_code=True), 6) == webhooks.SAME_CODE
