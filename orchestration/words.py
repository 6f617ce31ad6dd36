"""The sentences that people read when they have acted, in one place."""

from __future__ import annotations

from orchestration.commands import Reason, Verdict
from orchestration.models import Status

ENDED = {
    Status.APPROVED: "approved",
    Status.AUTO_APPROVED: "approved by rule",
    Status.REJECTED: "rejected",
    Status.TIMED_OUT: "timed out",
    Status.CANCELLED: "cancelled",
    Status.FAILED: "failed",
    Status.TERMINATED: "stopped by an operator",
}

SENTENCES = {
    Reason.RECORDED: "Thanks, that is recorded.",
    Reason.UNCHANGED: "That was already recorded; nothing changed.",
    Reason.NOT_AN_APPROVER: "You are not one of the approvers of this request, so nothing changed.",
    Reason.SELF_APPROVAL: "You cannot decide your own request; someone else has to.",
    Reason.COUNTED_BEFORE: "You have decided an earlier level of this request; this one is for somebody else.",
    Reason.HANDED_OVER: "Somebody else decides this level for you, so nothing changed.",
    Reason.DELEGATE_UNFIT: "That person cannot decide this for you: they asked for it, have decided, or are away.",
    Reason.ONE_HOP: "You decide this for somebody else, and cannot hand it on.",
    Reason.NOT_THE_REQUESTER: "Only the person who asked can do that.",
    Reason.NOT_INVOLVED: "Only the requester and the approvers can comment on this request.",
    Reason.NOT_THE_OWNER: "Only the owner of this policy can have that tried again.",
    Reason.NOTHING_TO_RETRY: "There is nothing that failed and could be tried again.",
    Reason.ROUND_OVER: "This card belongs to a round that is over, so nothing changed.",
    Reason.REASON_REQUIRED: "This policy asks for a reason when you reject. Please press Reject again and give one.",
    Reason.ALREADY_ENDED: "This request has already ended, so nothing changed.",
    Reason.MALFORMED: "That could not be understood, so nothing changed. Please try again from the card.",
    Reason.DIRECTORY_UNAVAILABLE: (
        "I could not check just now whether you may decide this, so nothing changed. Please try again in a minute."
    ),
    Reason.UNKNOWN_REQUEST: "I don't know this request. It may have been removed after its retention time.",
    Reason.NO_ANSWER_YET: "That is recorded and will be handled shortly; the card will say how.",
}


def sentence(verdict: Verdict) -> str:
    """What to tell the person whose command got this verdict. Total over all reasons."""
    if verdict.reason is Reason.ALREADY_ENDED and verdict.ended_as is not None:
        return f"This request was already {ENDED[verdict.ended_as]}, so nothing changed."
    return SENTENCES[verdict.reason]
