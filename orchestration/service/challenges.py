"""The service of challenges: starts one for a number, takes answers by ID or by the replying phone, reads them."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Final

from durabletask.client import AsyncTaskHubGrpcClient, OrchestrationState
from durabletask.entities import EntityInstanceId
from pydantic import ValidationError

from orchestration import telemetry
from orchestration.approval.status import CUT_SHORT
from orchestration.challenge.activities import EMAIL_CONTEXT, NUMBER_CONTEXT
from orchestration.challenge.budgets import api_key
from orchestration.challenge.codes import Codes
from orchestration.challenge.models import (
    EMAIL_LIFETIME,
    EVENT_RESPONSE,
    EVENT_UNDELIVERED,
    LIFETIME,
    Asker,
    ChallengeInput,
    ChallengeProgress,
    ChallengeStatus,
    ChallengeTarget,
    CodeResult,
    Response,
    Trouble,
    Undelivered,
)
from orchestration.challenge.phone import PhoneState
from orchestration.domain.errors import (
    IdempotencyConflictError,
    NumberDecryptionError,
    UnknownRequestError,
)
from orchestration.domain.names import IdPrefix
from orchestration.domain.request import PHONE, SMS_CHALLENGE
from orchestration.runtime.turns import Turns
from orchestration.service.calls import begin, translated, within_budget
from orchestration.service.request_ids import CROCKFORD

# Programs choose no words of a message: it is sent from the same number as the codes for decisions.
SUBJECT: Final = "verify your phone"
ANSWER_WAIT: Final = 8.0  # seconds; the provider waits fifteen for our reply


@dataclass(frozen=True)
class ApiLimits:
    """The codes that programs may have sent per hour: by one token, and by all together."""

    per_token: int = 20
    in_all: int = 100


@dataclass(frozen=True)
class Heard:
    """What a reply from a phone did.

    `waiting` counts the challenges that waited for that phone. `challenge` is the one that was answered, as it stands
    afterwards, and `answered` is the result of the answer; both None where nothing waited or the reply was
    `not_a_code`. `ended` is the challenge with that code, if it had already ended. `same_code`: two waiting challenges
    have the same code by chance, so neither was answered.
    """

    waiting: int
    not_a_code: bool = False
    challenge: ChallengeProgress | None = None
    answered: CodeResult | None = None
    ended: ChallengeProgress | None = None
    same_code: bool = False


class ChallengeService:
    """Each method may raise `HubUnavailableError`. `revoked` gives the people whose answers no longer count."""

    def __init__(
        self,
        client: AsyncTaskHubGrpcClient,
        codes: Codes,
        limits: ApiLimits = ApiLimits(),
        revoked: Callable[[], Collection[str]] = frozenset,
        turns: Turns | None = None,
        *,
        sms: bool = True,
        email: bool = False,
    ) -> None:
        """`turns` are those of this process's worker, where it has one: they tell when an answer has its result.

        `sms` and `email` say which ways this installation sends codes by.
        """
        self.sms = sms
        self.email = email
        self._client = client
        self.codes = codes
        self._limits = limits
        self._revoked = revoked
        self._turns = turns or Turns()

    async def start(self, number: str, token: str, owner: str, key: str | None = None) -> str:
        """Begins a challenge on its own for an E.164 number, and returns its ID. The number travels encrypted.

        `token` is the name of the API token that asks, and `owner` whose it is. What the message says is fixed. The
        same idempotency `key` of that token begins one challenge, and sends one code. Raises
        `IdempotencyConflictError` where it was another number or address.
        """
        target = ChallengeTarget(encrypted=self.codes.encrypt(number, NUMBER_CONTEXT))
        return await self._start(target, token, owner, LIFETIME, key)

    async def start_email(self, address: str, token: str, owner: str, key: str | None = None) -> str:
        """The same for an e-mail address. Its code lives for ten minutes."""
        target = ChallengeTarget(email=self.codes.encrypt(address, EMAIL_CONTEXT))
        return await self._start(target, token, owner, EMAIL_LIFETIME, key)

    async def _start(
        self, target: ChallengeTarget, token: str, owner: str, lifetime: timedelta, key: str | None
    ) -> str:
        asker = Asker(token=token, owner=owner, per_token=self._limits.per_token, in_all=self._limits.in_all)
        if key is None:
            while not await self._begin(challenge_id := _id(secrets.token_bytes(8)), target, asker, lifetime):
                pass
            return challenge_id
        newest, *older = map(_id, self.codes.of_key(token, key))
        for challenge_id in older:
            if await self._is_begun(challenge_id, target, token):
                return challenge_id
        if not await self._begin(newest, target, asker, lifetime):
            await self._is_begun(newest, target, token)
        return newest

    async def _begin(
        self, challenge_id: str, target: ChallengeTarget, asker: Asker, lifetime: timedelta
    ) -> bool:
        """False if the ID is taken. A challenge that starts again under its ID, after a purge, has a new code."""
        bound = f"{challenge_id} {secrets.token_hex(8)}"
        given = ChallengeInput(target=target, subject=SUBJECT, bound=bound, asker=asker, lifetime=lifetime)
        return await begin(self._client, SMS_CHALLENGE, given, challenge_id)

    async def _is_begun(self, challenge_id: str, target: ChallengeTarget, token: str) -> bool:
        """Whether this same challenge was begun. Raises `IdempotencyConflictError` if another one has its ID."""
        with translated():
            state = await within_budget(self._client.get_orchestration_state(challenge_id))
        if state is None:
            return False
        try:
            given = state.get_input(ChallengeInput) if state.name == SMS_CHALLENGE else None
        except ValidationError:  # any program on the hub may start it with any input
            given = None
        same = given is not None and given.alone(challenge_id)
        if given is None or given.asker is None or not same or given.asker.token != token:
            raise IdempotencyConflictError
        if self._place(given.target) != self._place(target):
            raise IdempotencyConflictError
        return True

    def _place(self, target: ChallengeTarget) -> tuple[str | None, str | None]:
        """The number and the address, in the clear. Raises `IdempotencyConflictError` where they cannot be read."""
        try:
            return (
                self.codes.decrypt(target.encrypted, NUMBER_CONTEXT) if target.encrypted else None,
                self.codes.decrypt(target.email, EMAIL_CONTEXT) if target.email else None,
            )
        except NumberDecryptionError as error:
            raise IdempotencyConflictError from error

    async def status(self, challenge_id: str) -> ChallengeProgress:
        """The status of a challenge. Raises `UnknownRequestError`."""
        state = await self._state(challenge_id)
        if state is None:
            raise UnknownRequestError
        return _progress_of(state)

    async def status_alone(self, challenge_id: str, token: str | None = None) -> ChallengeProgress:
        """As `status`, for challenges begun on their own. One that confirms a decision counts as unknown.

        With a `token`, so does one that another token began.
        """
        state = await self._state(challenge_id)
        try:
            given = state.get_input(ChallengeInput) if state else None
        except ValidationError as error:  # any program on the hub may start it with any input
            raise UnknownRequestError from error
        if state is None or given is None or not given.alone(challenge_id):
            raise UnknownRequestError
        if token is not None and (given.asker is None or given.asker.token != token):
            raise UnknownRequestError
        return _progress_of(state)

    def answer_id(self, challenge_id: str, token: str, key: str, digits: str) -> str:
        """The command ID of an answer that came with an idempotency key. It reveals nothing about the digits."""
        said = "\0".join((token, key, self.codes.answer(challenge_id, digits)))
        return hashlib.sha256(said.encode()).hexdigest()

    async def answer(self, challenge_id: str, digits: str, command_id: str) -> CodeResult | None:
        """Answers one challenge with digits of the right length; None when it has ended or does not answer in time."""
        return result_for(
            await self.answer_read(await self.status(challenge_id), digits, command_id), command_id
        )

    async def answer_read(
        self, read: ChallengeProgress, digits: str, command_id: str, *, patience: float = ANSWER_WAIT
    ) -> ChallengeProgress:
        """Answers a challenge whose `status` the caller has just read, and returns it as it stands after that.

        `result_for` finds the answer's result in it. A challenge that has ended is returned as it was read.
        """
        if read.status is not ChallengeStatus.WAITING or read.user in self._revoked():
            return read
        return await self._respond(read.challenge_id, digits, command_id, patience)

    async def judged(
        self, challenge_id: str, command_id: str, *, patience: float = ANSWER_WAIT
    ) -> ChallengeProgress:
        """The challenge, once the answer has its result, the challenge has ended, or `patience` seconds are over."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + patience
        with self._turns.watch(challenge_id) as watch:
            while True:
                await watch.next(max(deadline - clock.time(), 0))
                progress = await self.status(challenge_id)
                judged = result_for(progress, command_id) is not None
                if judged or progress.status is not ChallengeStatus.WAITING or clock.time() > deadline:
                    return progress

    async def hear(self, number: str, text: str, command_id: str) -> Heard:
        """Handles a reply from a phone. The code says which challenge it is for; a wrong code costs each an attempt.

        The code of a challenge that has ended costs no attempt: it is no guess at the waiting ones.
        """
        known = await self._known_of(number)
        waiting = [one.challenge_id for one, _ in known if one.status is ChallengeStatus.WAITING]
        digits = self.codes.digits_of(text)
        if digits is None:
            return Heard(waiting=len(waiting), not_a_code=True)
        of_code = [
            one
            for one, bound in known
            if self.codes.fits(self.codes.answer(one.challenge_id, digits), one.challenge_id, bound)
        ]
        fitting = [one.challenge_id for one in of_code if one.status is ChallengeStatus.WAITING]
        if of_code and not fitting:
            return Heard(waiting=len(waiting), ended=of_code[-1])
        if not waiting:
            return Heard(waiting=0)
        if len(fitting) > 1:  # one in a million; whoever presses on a card says which is meant
            return Heard(waiting=len(waiting), same_code=True)
        # The reply is for the challenge with that code, or for all of them if none has it.
        meant = fitting or waiting
        after = await asyncio.gather(*(self._respond(challenge, digits, command_id) for challenge in meant))
        answers = (result_for(progress, command_id) for progress in after)
        answered = next((answer for answer in answers if answer is not None), None)
        return Heard(waiting=len(waiting), challenge=after[0], answered=answered)

    async def undelivered(self, challenge_id: str, trouble: Trouble, code: int | None = None) -> None:
        """The provider reports that the message did not arrive; `code` is its number for the reason.

        The challenge reports that at once. Its code still counts until it expires: a message may arrive late. Raises
        `UnknownRequestError` where there is no such challenge.
        """
        state = await self._state(challenge_id)
        if state is None:
            raise UnknownRequestError
        given = state.get_input(ChallengeInput)
        if _progress_of(state).status is not ChallengeStatus.WAITING:
            return
        report = Undelivered(challenge_id=challenge_id, trouble=trouble, code=code)
        await self._raise(challenge_id, EVENT_UNDELIVERED, report)
        if given is not None and given.request_id is not None:
            await self._raise(given.request_id, EVENT_UNDELIVERED, report)

    async def _known_of(self, number: str) -> list[tuple[ChallengeProgress, str]]:
        """The number's challenges that wait or ended lately, each with the data that its code is bound to."""
        key = self.codes.number_key(number)
        begun = await asyncio.gather(self._begun(key), self._begun(api_key(key)))
        known: list[tuple[ChallengeProgress, str]] = []
        revoked = self._revoked()
        for state in await asyncio.gather(*map(self._state, chain(*begun))):
            given = state.get_input(ChallengeInput) if state else None
            if state is not None and given is not None and given.target.user not in revoked:
                known.append((_progress_of(state), given.bound))
        return known

    async def _begun(self, key: str) -> list[str]:
        """The challenges that the budget of this key has open, after the last few that it had."""
        with translated():
            found = await within_budget(self._client.get_entity(EntityInstanceId(PHONE, key)))
        phone = found.get_typed_state(PhoneState) if found else None
        return [*phone.ended, *phone.open] if phone else []

    async def _respond(
        self, challenge_id: str, digits: str, command_id: str, patience: float = ANSWER_WAIT
    ) -> ChallengeProgress:
        """Answers a waiting challenge, and polls it until the answer has its result, it has ended, or time is up."""
        response = Response(command_id=command_id, answer=self.codes.answer(challenge_id, digits))
        await self._raise(challenge_id, EVENT_RESPONSE, response)
        return await self.judged(challenge_id, command_id, patience=patience)

    async def _raise(self, challenge_id: str, event: str, payload: Response | Undelivered) -> None:
        telemetry.concerns(challenge_id)
        with translated():
            await within_budget(self._client.raise_orchestration_event(challenge_id, event, data=payload))

    async def _state(self, challenge_id: str) -> OrchestrationState | None:
        """The instance; None where there is none, or it is no challenge."""
        with translated():
            state = await within_budget(self._client.get_orchestration_state(challenge_id))
        return state if state is not None and state.name == SMS_CHALLENGE else None


def _id(digest: bytes) -> str:
    """From at least eight bytes."""
    number = int.from_bytes(digest[:8], "big")
    return f"{IdPrefix.CHALLENGE}-" + "".join(CROCKFORD[number >> shift & 31] for shift in range(0, 60, 5))


def _progress_of(state: OrchestrationState) -> ChallengeProgress:
    progress = state.get_custom_status(ChallengeProgress) or ChallengeProgress(challenge_id=state.instance_id)
    if state.runtime_status in CUT_SHORT:
        return progress.model_copy(
            update={"status": ChallengeStatus.FAILED, "trouble": progress.trouble or Trouble.CANCELLED}
        )
    return progress


def result_for(progress: ChallengeProgress, command_id: str) -> CodeResult | None:
    """The result of the answer with this command ID; None until there is one."""
    return next((answer for answer in progress.answers if answer.command_id == command_id), None)
