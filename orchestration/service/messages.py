"""The sentences that people read after they have acted."""

from __future__ import annotations

from orchestration.challenge.models import ChallengeProgress, ChallengeStatus, CodeResult, Trouble
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.request import EscalationCause, LevelState, Status
from orchestration.fulfilment.models import FulfilmentReason, FulfilmentVerdict

ENDED = {
    Status.APPROVED: "approved",
    Status.AUTO_APPROVED: "approved by rule",
    Status.REJECTED: "rejected",
    Status.TIMED_OUT: "timed out",
    Status.CANCELLED: "cancelled",
    Status.FAILED: "failed",
    Status.TERMINATED: "stopped by an operator",
}

# Why a level went to other people.
WHY_ESCALATED = {
    EscalationCause.SILENCE: "Nobody decided it in time",
    EscalationCause.TOO_FEW_LEFT: "Too few people were left who may decide it",
}

# The results of an event or a cancellation after an approval.
FULFILMENT_SENTENCES = {
    FulfilmentReason.MOVED: "It is now {state}.",
    FulfilmentReason.WAITS: "It came early and waits for its state. It is {state} now.",
    FulfilmentReason.DUPLICATE: "That delivery was taken before. It counts once.",
    FulfilmentReason.CONDITION_FAILED: "It moved nothing: in the state {state} it needs {needs}.",
    FulfilmentReason.UNKNOWN_EVENT: "The policy declares no such event.",
    FulfilmentReason.TOO_LATE: "It is {state} now, and no state that can still come awaits this event.",
    FulfilmentReason.TOO_MANY: "Too many events wait for their state already. Send it again later.",
    FulfilmentReason.ENDED: "It is over: {state}.",
    FulfilmentReason.NOT_THE_OWNER: "Only the owner of what follows the approval may call it off. Nothing changed.",
    FulfilmentReason.NOT_HERE: "In the state {state} it cannot be called off. Nothing changed.",
    FulfilmentReason.NOT_IN_CHARGE: "Only the owner of what follows the approval may do that. Nothing changed.",
    FulfilmentReason.RETRIED: "It is being tried again. The thread under the card will say how it went.",
    FulfilmentReason.NOTHING_TO_RETRY: "There is nothing that failed and could be tried again.",
    FulfilmentReason.NO_ANSWER_YET: "It is recorded, and not yet handled.",
}

SENTENCES = {
    Reason.RECORDED: "Thanks, that is recorded.",
    Reason.CODE_SENT: "We texted you a code. Reply with it, or press Enter code.",
    Reason.CODE_ON_ITS_WAY: "We have already texted you a code. Reply with it, or press Enter code.",
    Reason.NOT_ENROLLED: (
        "This needs a code sent to your phone, and no number was enrolled for you when it was asked. Somebody else has "
        "to decide it. Who runs Countersign can enrol you for what is asked later."
    ),
    Reason.UNCHANGED: "That was already recorded; nothing changed.",
    Reason.NOT_AN_APPROVER: "You are not one of the approvers of this request, so nothing changed.",
    Reason.SELF_APPROVAL: "You cannot decide your own request; someone else has to.",
    Reason.COUNTED_BEFORE: (
        "You have decided an earlier level of this request, or whoever you would vote for has; this one is for "
        "somebody else."
    ),
    Reason.REVOKED: (
        "Whoever runs Countersign has taken the right to decide from you, or from whom you decide for, so nothing "
        "changed."
    ),
    Reason.HANDED_OVER: "Your vote on this level is delegated, so nothing changed.",
    Reason.DELEGATE_UNFIT: (
        "That person cannot decide this for you: they asked for it, have decided, have handed over their own vote, are "
        "away, or are no active member of this workspace."
    ),
    Reason.DELEGATE_NOT_ENROLLED: (
        "Deciding this needs a code sent to a phone, and no number was enrolled for that person when it was asked. "
        "Please choose somebody else. Who runs Countersign can enrol them for what is asked later."
    ),
    Reason.DELEGATE_NOT_ALLOWED: "This policy does not let that person decide for somebody else.",
    Reason.TOO_FEW_LEFT: (
        "Without your own vote too few different people would be left to approve this. Please choose somebody who does "
        "not decide here already."
    ),
    Reason.NEEDED_LATER: (
        "After your approval too few people would be left for a later level. Please leave this one to others."
    ),
    Reason.ONE_HOP: "You decide this for somebody else, and a delegate cannot delegate again.",
    Reason.NOT_THE_REQUESTER: "Only the person who asked can do that.",
    Reason.NOT_INVOLVED: "Only the requester and the approvers can comment on this request.",
    Reason.NOT_ASKED: "Only whoever was asked can answer this.",
    Reason.ANSWERED_BY_HOLDER: "Whoever you answer for has answered themselves, so nothing changed.",
    Reason.NOT_THE_OWNER: "Only the owner of this policy can have that tried again.",
    Reason.NOTHING_TO_RETRY: "There is nothing that failed and could be tried again.",
    Reason.RETRY_OVER: (
        "This cannot be tried again any more: the time for that is over. Please do it by hand in the other system, or "
        "ask who runs Countersign."
    ),
    Reason.ROUND_OVER: "This step is finished, so nothing changed.",
    Reason.OUTDATED: "This request has changed or was replaced since you saw it; open it again.",
    Reason.ID_REUSED: "This ID was used for a different command, so nothing changed.",
    Reason.SUPERSEDED: "You have changed your decision since then, so the older one changed nothing.",
    Reason.TOO_OFTEN: "You have changed your decision on this request too often; further changes are not accepted.",
    Reason.REASON_REQUIRED: "This policy asks for a reason when you reject. Please press Reject again and give one.",
    Reason.RESTARTED: (
        "Your change is recorded. All levels decide on what it says now, the first one first; you will be asked again."
    ),
    Reason.EDIT_NOT_ALLOWED: (
        "This policy does not let that be changed so, so nothing changed. Open the form again from the card."
    ),
    Reason.EDITED_TOO_OFTEN: (
        "This request was changed too often, or by too much, so nothing changed. Approve it as it is, or reject it."
    ),
    Reason.REJECTION_STANDS: (
        "Somebody has rejected this as it is, and a change would undo that, so nothing changed. Please talk to them: "
        "once they approve it, it can be changed."
    ),
    Reason.ALREADY_ENDED: "This request has already ended, so nothing changed.",
    Reason.NOT_GRANTABLE: (
        "Calls like this cannot be approved in advance here, so nothing changed. You can approve this call alone."
    ),
    Reason.GRANT_TERMS: (
        "The time or the number of uses is not what the policy allows any more, so nothing changed. Please open the "
        "form again."
    ),
    Reason.GRANT_OWN_SEAT: (
        "Only those whom the level itself asks can approve calls in advance: nobody does it for somebody else, or "
        "after an escalation. Nothing changed; you can approve this call alone."
    ),
    Reason.MALFORMED: "Something went wrong, so nothing changed. Please try again from the card.",
    Reason.DIRECTORY_UNAVAILABLE: (
        "I could not check just now who may decide this, so nothing changed. Please try again in a minute."
    ),
    Reason.UNKNOWN_REQUEST: "I don't know this request. It may have been removed after its retention time.",
    Reason.NO_ANSWER_YET: "That is recorded and will be handled shortly; the card will say how.",
}


def sentence(verdict: Verdict) -> str:
    """What to tell the person whose command got this verdict. Total over all reasons."""
    if verdict.reason is Reason.ALREADY_ENDED and verdict.ended_as is not None:
        return f"This request was already {ENDED[verdict.ended_as]}, so nothing changed."
    return SENTENCES[verdict.reason]


def why_escalated(level: LevelState) -> str:
    """The beginning of a sentence, for a level that was escalated."""
    return WHY_ESCALATED[level.escalated_because or EscalationCause.SILENCE]


TROUBLES = {
    Trouble.NOT_ENROLLED: "no phone number is enrolled for you; please ask who runs Countersign",
    Trouble.COUNTRY: "your number is in a country that codes are not sent to; please ask who runs Countersign",
    Trouble.LOCKED: "too many codes were sent to your number, so it is locked for an hour",
    Trouble.QUOTA: "programs have had as many codes sent as they may in an hour; try again in an hour",
    Trouble.NOT_A_NUMBER: "your enrolled number is not a phone number; please ask who runs Countersign",
    Trouble.OPTED_OUT: "your phone has opted out of our messages; text START to our number, then press again",
    Trouble.NOT_MOBILE: "your enrolled number cannot receive text messages; please ask who runs Countersign",
    Trouble.REGION: "the SMS provider does not send to your country; please ask who runs Countersign",
    Trouble.ACCOUNT: (
        "the SMS provider refuses to send for this server, and another code would be refused too; please ask who runs "
        "Countersign"
    ),
    Trouble.FILTERED: (
        "the SMS provider or your phone company blocks the message as unwanted; please ask who runs Countersign"
    ),
    Trouble.UNREACHABLE: (
        "the message could not be delivered to your phone; please see that it is on and has a signal, then press again"
    ),
    Trouble.UNDELIVERABLE: (
        "the message could not be delivered to your phone, for a reason that is not known here; please ask who runs "
        "Countersign"
    ),
    Trouble.BUSY: "too many messages are on their way just now; please press again in a few minutes",
    Trouble.UNSENT: "the SMS provider could not be reached; please press again in a minute",
    Trouble.WRONG: "three wrong codes came in; please press again for a new one",
    Trouble.EXPIRED: "no code came back in time; please press again for a new one",
    Trouble.CANCELLED: "the code was withdrawn, as it is no longer needed",
    Trouble.NO_EMAIL: "this server sends no e-mail; please ask who runs Countersign",
    Trouble.NO_MAILBOX: "the mail server knows no such address; please check how it is written",
    Trouble.MAILBOX_FULL: "the mailbox takes no mail just now: it is full or disabled",
    Trouble.MAIL_REFUSED: (
        "the mail server refuses to send for this server, and another code would be refused too; please ask who runs "
        "Countersign"
    ),
    Trouble.MAIL_FILTERED: "the mail server blocks the message as unwanted; please ask who runs Countersign",
    Trouble.MAIL_UNSENT: "the mail server could not be reached or did not take the message; please try again later",
}


def why_not(trouble: str) -> str:
    """Why a code did not confirm; a reason of a later release gets a general sentence."""
    return next((reason for known, reason in TROUBLES.items() if known == trouble), "no code confirmed it")


# The same, for all readers of the thread; the sentences above address the person whose code it is. What only that
# person can do is left out here: they are told directly.
_TROUBLES_OF_OTHERS = {
    Trouble.NOT_ENROLLED: "no phone number is enrolled for them",
    Trouble.COUNTRY: "their number is in a country that codes are not sent to",
    Trouble.LOCKED: "too many codes were sent to their number, so it is locked for an hour",
    Trouble.QUOTA: "programs have had as many codes sent as they may in an hour",
    Trouble.NOT_A_NUMBER: "their enrolled number is not a phone number",
    Trouble.OPTED_OUT: "their phone has opted out of our messages",
    Trouble.NOT_MOBILE: "their enrolled number cannot receive text messages",
    Trouble.REGION: "the SMS provider does not send to their country",
    Trouble.ACCOUNT: "the SMS provider refuses to send for this server",
    Trouble.FILTERED: "the SMS provider or their phone company blocks the message as unwanted",
    Trouble.UNREACHABLE: "the message could not be delivered to their phone",
    Trouble.UNDELIVERABLE: "the message could not be delivered to their phone, for a reason that is not known here",
    Trouble.BUSY: "too many messages are on their way just now",
    Trouble.UNSENT: "the SMS provider could not be reached",
    Trouble.WRONG: "three wrong codes came in",
    Trouble.EXPIRED: "no code came back in time",
    Trouble.NO_EMAIL: "this server sends no e-mail",
    Trouble.NO_MAILBOX: "the mail server knows no such address",
    Trouble.MAIL_REFUSED: "the mail server refuses to send for this server",
    Trouble.MAIL_FILTERED: "the mail server blocks the message as unwanted",
    Trouble.MAIL_UNSENT: "the mail server could not be reached or did not take the message",
}


def why_not_theirs(trouble: str) -> str:
    """Why somebody's code did not confirm, for everybody to read: in the third person."""
    theirs = next((reason for known, reason in _TROUBLES_OF_OTHERS.items() if known == trouble), "")
    return theirs or why_not(trouble)


def undelivered(trouble: str) -> str:
    """Two sentences: a code is reported as not delivered, and it still counts if it arrives."""
    return f"The code has not arrived: {why_not(trouble)}. If it comes all the same, it still counts."


# Reasons that arose in the meantime, and those for which "please try again" would not mention the new code.
_REFUSED_THOUGH_CONFIRMED = {
    Reason.ROUND_OVER: "This round was over before your code came.",
    Reason.ALREADY_ENDED: "The request had ended before your code came.",
    Reason.DIRECTORY_UNAVAILABLE: (
        "I could not look up just now who may decide this. Please press again in a minute; I then send a new code."
    ),
}


def refused_though_confirmed(reason: str) -> str:
    """Why an act does not count although its code was right. A later release's reason is left out."""
    sentences = {**SENTENCES, **_REFUSED_THOUGH_CONFIRMED}
    why = next((words for known, words in sentences.items() if known == reason), "")
    return f"Your code was right, but what you confirmed does not count. {why}".rstrip()


def unconfirmed(trouble: str) -> str:
    """Why an act that needed a code did not happen, in one sentence."""
    return f"Your decision does not count: {why_not(trouble)}."


WRONG_CODE = "That code isn't right, {left} {tries} left."
NOT_YET_CHECKED = "Your code has come in and will be checked shortly; the card will say how it went."
CODE_ENDED = "This code has ended. Press Approve again for a new one."


def typed_code(progress: ChallengeProgress, answer: CodeResult | None) -> str:
    """The answer to a typed code with this result, or with none yet; "" if the card shows it."""
    if progress.status is ChallengeStatus.VERIFIED or (answer is not None and answer.right):
        return ""
    if answer is not None and answer.attempts_left > 0:
        return WRONG_CODE.format(
            left=answer.attempts_left, tries="try" if answer.attempts_left == 1 else "tries"
        )
    if answer is None and progress.status is ChallengeStatus.WAITING:
        return NOT_YET_CHECKED
    return unconfirmed(progress.trouble) if progress.trouble else CODE_ENDED


def fulfilment_sentence(verdict: FulfilmentVerdict) -> str:
    """The answer to whoever raised an event after an approval, or called the fulfilment off."""
    return FULFILMENT_SENTENCES[verdict.reason].format(state=verdict.state, needs=verdict.needs)
