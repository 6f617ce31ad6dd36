"""The service for challenges: start one for a number, answer by ID or by the phone that replied, and look."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient
from durabletask.entities import EntityInstanceId

from orchestration.approval.status import CUT_SHORT
from orchestration.challenge.activities import NUMBER_CONTEXT
from orchestration.challenge.codes import Codes
from orchestration.challenge.models import (
    EVENT_CANCELLED,
    EVENT_RESPONSE,
    Answered,
    Cancelled,
    ChallengeInput,
    ChallengeProgress,
    ChallengeStatus,
    Response,
    Target,
    Trouble,
)
from orchestration.challenge.phone import PhoneState
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.request import PHONE, SMS_CHALLENGE, VERSION
from orchestration.service.approvals import CROCKFORD
from orchestration.service.calls import FIRST_LOOK, SLOWEST_LOOK, translated, within_budget

STANDALONE: Final = "challenge-"  # begins the ID of a challenge that belongs to no decision
ANSWER_WAIT: Final = 8.0  # seconds; the provider waits fifteen for our reply


@dataclass(frozen=True)
class Heard:
    """What became of a reply from a phone: no challenge waits, or it was no code, or this is the one it answered."""

    waiting: int
    not_a_code: bool = False
    challenge: ChallengeProgress | None = None
    answered: Answered | None = None


class ChallengeService:
    """Each method may raise `HubUnavailableError`. `now` is the hub's time, for what is still open."""

    def __init__(self, client: AsyncTaskHubGrpcClient, codes: Codes) -> None:
        self._client = client
        self.codes = codes

    async def start(self, number: str, subject: str) -> str:
        """Begins a challenge on its own for an E.164 number, and returns its ID. The number travels encrypted."""
        challenge_id = STANDALONE + "".join(secrets.choice(CROCKFORD) for _ in range(12))
        given = ChallengeInput(
            target=Target(encrypted=self.codes.encrypt(number, NUMBER_CONTEXT)),
            subject=subject,
            bound=challenge_id,
        )
        with translated():
            await within_budget(
                self._client.schedule_new_orchestration(
                    SMS_CHALLENGE, input=given, instance_id=challenge_id, version=VERSION
                )
            )
        return challenge_id

    async def status(self, challenge_id: str) -> ChallengeProgress:
        """Where a challenge stands. Raises `UnknownRequestError`."""
        with translated():
            state = await within_budget(self._client.get_orchestration_state(challenge_id))
        if state is None or state.name != SMS_CHALLENGE:
            raise UnknownRequestError
        progress = state.get_custom_status(ChallengeProgress) or ChallengeProgress(challenge_id=challenge_id)
        if state.runtime_status in CUT_SHORT:
            return progress.model_copy(
                update={"status": ChallengeStatus.FAILED, "trouble": progress.trouble or Trouble.CANCELLED}
            )
        return progress

    async def answer(self, challenge_id: str, digits: str, command_id: str) -> Answered | None:
        """Answers one challenge with digits of the right length; None when it has ended or does not answer in time."""
        if (await self.status(challenge_id)).status is not ChallengeStatus.WAITING:
            return await self._answered(challenge_id, command_id, patience=0)
        response = Response(command_id=command_id, answer=self.codes.answer(challenge_id, digits))
        with translated():
            await within_budget(
                self._client.raise_orchestration_event(challenge_id, EVENT_RESPONSE, data=response)
            )
        return await self._answered(challenge_id, command_id, patience=ANSWER_WAIT)

    async def hear(self, number: str, text: str, command_id: str) -> Heard:
        """A reply from a phone. The code tells apart what waits there; a wrong one costs each of them an attempt."""
        waiting = await self._open_for(number)
        digits = self.codes.digits_of(text)
        if not waiting or digits is None:
            return Heard(waiting=len(waiting), not_a_code=digits is None)
        fitting = [
            challenge
            for challenge, bound in waiting.items()
            if self.codes.fits(self.codes.answer(challenge, digits), challenge, bound)
        ]
        answers = await asyncio.gather(
            *(self.answer(challenge, digits, command_id) for challenge in fitting[:1] or waiting)
        )
        told = fitting[0] if fitting else next(iter(waiting))
        answered = next((answer for answer in answers if answer is not None), None)
        return Heard(waiting=len(waiting), challenge=await self.status(told), answered=answered)

    async def undelivered(self, challenge_id: str, trouble: Trouble) -> None:
        """The provider's word that the message did not arrive: the challenge ends at once, with the reason."""
        with translated():
            await within_budget(
                self._client.raise_orchestration_event(
                    challenge_id, EVENT_CANCELLED, data=Cancelled(trouble=trouble)
                )
            )

    async def _open_for(self, number: str) -> Mapping[str, str]:
        """The challenges that wait for this number, each with what its code is bound to."""
        with translated():
            found = await within_budget(
                self._client.get_entity(EntityInstanceId(PHONE, self.codes.number_key(number)))
            )
        state = (found.get_typed_state(PhoneState) if found else None) or PhoneState()
        waiting: dict[str, str] = {}
        for challenge in state.open:
            with translated():
                given = await within_budget(self._client.get_orchestration_state(challenge))
            if given is None or (await self.status(challenge)).status is not ChallengeStatus.WAITING:
                continue
            asked = given.get_input(ChallengeInput)
            if asked is not None:
                waiting[challenge] = asked.bound
        return waiting

    async def _answered(self, challenge_id: str, command_id: str, *, patience: float) -> Answered | None:
        clock = asyncio.get_running_loop()
        deadline, pause = clock.time() + patience, FIRST_LOOK
        while True:
            progress = await self.status(challenge_id)
            found = next((answer for answer in progress.answers if answer.command_id == command_id), None)
            if found or progress.status is not ChallengeStatus.WAITING or clock.time() > deadline:
                return found
            await asyncio.sleep(pause)
            pause = min(pause * 2, SLOWEST_LOOK)
