"""The mark and the label of each status, the same wherever a request is shown."""

from __future__ import annotations

from typing import Final

from orchestration.domain.request import Choice, Factor, Status

DOT: Final = " · "
YES: Final = "✓"
OPEN: Final = "○"
NO: Final = "✗"
OFF: Final = "–"
ONWARD: Final = "→"

MARKS: Final = {
    Status.PENDING: OPEN,
    Status.ESCALATED: OPEN,
    Status.APPROVED: YES,
    Status.AUTO_APPROVED: YES,
    Status.REJECTED: NO,
    Status.TIMED_OUT: NO,
    Status.CANCELLED: OFF,
    Status.FAILED: NO,
    Status.TERMINATED: OFF,
}
CALLED: Final = {
    Status.PENDING: "Waiting",
    Status.ESCALATED: "Escalated",
    Status.APPROVED: "Approved",
    Status.AUTO_APPROVED: "Approved by rule",
    Status.REJECTED: "Rejected",
    Status.TIMED_OUT: "Timed out",
    Status.CANCELLED: "Withdrawn",
    Status.FAILED: "Failed",
    Status.TERMINATED: "Stopped by an operator",
}
FACTORS: Final = {None: "", Factor.SMS: ", confirmed by SMS"}
VOTE_MARKS: Final = {Choice.APPROVE: YES, Choice.REJECT: NO}

# Follows the name of a requester that another program gave.
UNCHECKED: Final = "so another program says; nobody checked who asks"
