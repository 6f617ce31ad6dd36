"""Asks for the review of a document: once for what it holds, and again where the same document comes back later."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Awaitable, Callable
from typing import Final

from orchestration.domain.commands import Progress
from orchestration.domain.documents import Documents, ReviewedDocument
from orchestration.domain.errors import IdempotencyConflictError, UnknownRequestError
from orchestration.domain.request import Status, Via, to_json
from orchestration.service.approvals import Actor, ApprovalService

log = logging.getLogger(__name__)

MOST_TIMES: Final = 1000  # that one and the same document comes back
REPLACED: Final = "{name} was changed. What is there now is reviewed by {request_id}."
_SPACE: Final = uuid.UUID("5f3c2d0e-8a3e-4b8e-9a53-1f0f7b3f6c55")


class Reviews:
    """Over the service. Each call may raise what the service raises."""

    def __init__(self, service: ApprovalService) -> None:
        self._service = service

    async def ask(
        self,
        policy: str,
        documents: Documents,
        document: ReviewedDocument,
        still_there: Callable[[], Awaitable[bool]],
    ) -> tuple[str, Progress] | None:
        """The review of the document, asked now or before, and where it stands. None where that cannot be told.

        The key is made of place, name and SHA-256, so all watchers on a hub ask for the same one. A document that was
        moved and is `still_there`, looked at after that was known, has come back: it is reviewed once more.
        """
        for times in range(1, MOST_TIMES):
            request = documents.request(policy, document, _key(documents.place, document, times))
            try:
                request_id = await self._service.start_review(request)
            except IdempotencyConflictError:
                log.warning(
                    "policies.%s.documents: %s is under review as it was before the policy was changed; rename it "
                    "to have it reviewed by the new one",
                    policy,
                    document.name,
                )
                return None
            progress = await self._service.status(request_id)
            if not was_moved(progress) or not await still_there():
                return request_id, progress
        log.warning("policies.%s.documents: %s has come back too often; rename it", policy, document.name)
        return None

    async def status(self, request_id: str) -> Progress | None:
        """Where the review stands; None for one that was purged."""
        try:
            return await self._service.status(request_id)
        except UnknownRequestError:
            return None

    async def replace(self, documents: Documents, name: str, old: str, new: str) -> None:
        """Withdraws the review of a document that was changed; its card and its thread say which one follows."""
        await self._service.cancel(
            old,
            Actor(documents.requester, Via.API),
            reason=REPLACED.format(name=name, request_id=new),
            command_id=str(uuid.uuid5(_SPACE, f"{old} {new}")),
        )


def was_moved(progress: Progress) -> bool:
    """Whether the document of an ended review was moved, or is known to be none that has to be."""
    if progress.status is Status.TERMINATED:
        return False
    return progress.status.ended and bool(progress.actions) and progress.actions[0].status == "done"


def _key(place: str, document: ReviewedDocument, times: int) -> str:
    about = to_json([place, document.name, document.sha256, times])
    return f"document:{hashlib.sha256(about.encode()).hexdigest()}"
