"""The answers to people's and programs' commands to a gathering."""

from __future__ import annotations

from typing import Final

from orchestration.domain.commands import Reason, Verdict
from orchestration.service.messages import SENTENCES

_OF_GATHERINGS: Final = {
    Reason.RECORDED: "Your answer is recorded. Until the end you can change it.",
    Reason.UNCHANGED: "That is your answer already; nothing changed.",
    Reason.NOT_ASKED: "Only the person who was asked can answer this, so nothing changed.",
    Reason.ANSWERED_BY_HOLDER: "The person you answer for has answered themselves, so nothing changed.",
    Reason.NOT_THE_REQUESTER: "Only the person who asked can withdraw it.",
    Reason.TOO_OFTEN: "This answer has been changed too often; further changes are not accepted.",
    Reason.ALREADY_ENDED: "It had ended before this came, so this is not part of the result.",
    Reason.OUTDATED: "This was asked anew since you saw it. Please answer the newer message.",
    Reason.MALFORMED: "That does not fit what is asked, so nothing changed. Please answer from the message.",
    Reason.UNKNOWN_REQUEST: "I don't know this any more. It may have been removed after its retention time.",
    Reason.REVOKED: (
        "Whoever runs Countersign has taken the right to answer from you, or from whom you answer for, so nothing "
        "changed."
    ),
    Reason.NO_ANSWER_YET: "That is recorded and will be handled shortly; the message will say how.",
}


def gathering_sentence(verdict: Verdict) -> str:
    """What to tell whoever sent a command that got this verdict. Total over all reasons."""
    return _OF_GATHERINGS.get(verdict.reason, SENTENCES[verdict.reason])
