"""Policies that review documents: checks that they can work, and lists the actions of a review's outcome."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Final, Self

from pydantic import model_validator

from orchestration.domain.actions import Action
from orchestration.domain.documents import DocumentMove, overlap, reviewed
from orchestration.domain.policy import Policy
from orchestration.domain.request import ApprovalRequest, Status

MOVES: Final[Mapping[bool, str]] = {True: "published documents", False: "archived documents"}


class MoveAction(Action):
    """Moves the document of a review. No policy file can list it."""

    move: DocumentMove

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        return self

    @property
    def label(self) -> str:
        """The action's name in messages about its result."""
        return MOVES[self.move.publishes]


def actions_of(policy: Policy, request: ApprovalRequest, status: Status) -> list[Action]:
    """What the policy has this outcome do, in order."""
    listed = next((actions for ending, actions in policy.on.items() if ending == status), [])
    documents = policy.documents
    if documents is None:
        return listed
    document = reviewed(request)
    move = DocumentMove(
        place=documents.place,
        target=documents.published if status.is_yes else documents.archived,
        name=document.name,
        size=document.size,
        sha256=document.sha256,
        publishes=status.is_yes,
    )
    return [MoveAction(move=move), *listed]


def faults_of_reviews(
    policies: Mapping[str, Policy], enrolled: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Where reviews of documents could never be asked, or get into each other's way, and why."""
    places: dict[str, str] = {}
    for key, policy in policies.items():
        documents = policy.documents
        if documents is None:
            continue
        here = ("policies", key, "documents")
        barred = set() if policy.allow_self_approval else {documents.requester}
        if policy.impossible(barred, escalations=False, enrolled=enrolled):
            words = (
                f"{documents.requester} asks for every review and decides none, and without them too few people are "
                "left to decide; name somebody else"
            )
            yield (*here, "requester"), words
        for other, place in places.items():
            if overlap(documents.place, place):
                yield (
                    (*here, "place"),
                    f"policies.{other} watches it too; give each policy a place of its own",
                )
        places[key] = documents.place
