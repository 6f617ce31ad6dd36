"""/api/challenges: verify a phone or an e-mail address without an approval. Only where codes can be sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Self

from aiohttp import web
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from bot.http.api.commands import KEY_HEADER, idempotency_key
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.models import Line
from bot.http.api.problems import Problem
from bot.security.tokens import ADMIN, CHALLENGE, READ
from orchestration.challenge.models import ChallengeProgress, ChallengeStatus, Trouble
from orchestration.domain.emails import email_address
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.people import e164
from orchestration.domain.request import Model
from orchestration.service.challenges import ChallengeService, result_for
from orchestration.service.messages import why_not

NO_EMAIL: Final = "cannot be sent to: this server has no mail server; its operator sets COUNTERSIGN_SMTP_HOST"
NO_SMS: Final = "cannot be sent to: this server has no SMS account; its operator sets the TWILIO_ settings"


class NewChallenge(Model):
    """Whose phone or mailbox; exactly one of both. What the message says is fixed."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["number"]}, {"required": ["email"]}]}
    )

    number: Annotated[
        str, AfterValidator(e164), Field(max_length=20, description="E.164, such as +12025550142")
    ] = ""
    email: Annotated[
        str, AfterValidator(email_address), Field(max_length=254, description="Such as rita@example.com")
    ] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if bool(self.number) is bool(self.email):
            raise ValueError("give either a number or an email, and not both")
        return self


class ChallengeResponse(Model):
    """What the person typed."""

    code: Annotated[Line, Field(min_length=1, max_length=20)]


class Challenge(Model):
    """Where a challenge stands. The number or address is masked, and the code is nowhere."""

    id: str
    status: ChallengeStatus
    trouble: Trouble | None = None
    words: str = Field(default="", description="Why it failed, for a person")
    masked: str
    attempts_left: int
    until: datetime | None = None


class ChallengeResult(Model):
    """The result of an answer."""

    right: bool
    attempts_left: int
    status: ChallengeStatus


class ChallengeRoutes:
    """Starts, shows and answers challenges. A decision's challenge is never shown: only its approver may see it."""

    def __init__(self, service: ChallengeService) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        one = "/api/challenges/{id}"
        return [
            Endpoint(
                "POST",
                "/api/challenges",
                self.begin,
                "Send a code to a phone or an e-mail address",
                frozenset({CHALLENGE}),
                {202: ResponseSpec("It is on disk, and the message on its way", Challenge, ("Location",))},
                ("unavailable", "key-reused"),
                body=NewChallenge,
                headers=(KEY_HEADER,),
                tag="Challenges",
            ),
            Endpoint(
                "GET",
                one,
                self.show,
                "Where a challenge stands: waiting, verified, failed or expired",
                frozenset({CHALLENGE, READ, ADMIN}),
                {200: ResponseSpec("The challenge", Challenge)},
                ("not-found", "unavailable"),
                tag="Challenges",
            ),
            Endpoint(
                "POST",
                f"{one}/response",
                self.respond,
                "Answer a challenge with the code; what is no code costs no attempt",
                frozenset({CHALLENGE}),
                {200: ResponseSpec("Whether the code was right", ChallengeResult)},
                ("not-found", "conflict", "unavailable"),
                body=ChallengeResponse,
                headers=(KEY_HEADER,),
                tag="Challenges",
            ),
        ]

    async def begin(self, call: ApiCall) -> web.Response:
        """Starts a challenge, once for each Idempotency-Key. The number or address is encrypted from here on."""
        given, token = await call.body(NewChallenge), call.token
        key = idempotency_key(call)
        if given.email:
            if not self._service.email:
                raise InvalidRequestError(NO_EMAIL, field="email")
            challenge_id = await self._service.start_email(given.email, token.name, token.owner, key)
        elif not self._service.sms:
            raise InvalidRequestError(NO_SMS, field="number")
        else:
            challenge_id = await self._service.start(given.number, token.name, token.owner, key)
        shown = _shown(await self._service.status(challenge_id))
        return json_response(shown, 202, {"Location": f"/api/challenges/{challenge_id}"})

    async def show(self, call: ApiCall) -> web.Response:
        """Shows a challenge."""
        token = None if call.token.sees_all else call.token.name
        return json_response(_shown(await self._service.status_alone(call.instance_id(), token)))

    async def respond(self, call: ApiCall) -> web.Response:
        """Answers a challenge that this token began. A repeat with the same Idempotency-Key counts as one answer.

        Raises `Problem` if the challenge has ended.
        """
        given = await call.body(ChallengeResponse)
        read = await self._service.status_alone(call.instance_id(), call.token.name)
        digits = self._service.codes.digits_of(given.code)
        if digits is None:
            raise InvalidRequestError(f"is not {self._service.codes.digits} digits", field="code")
        key, token = idempotency_key(call), call.token.name
        command_id = (
            self._service.answer_id(read.challenge_id, token, key, digits) if key else call.fresh_id()
        )
        progress = await self._service.answer_read(read, digits, command_id)
        answer = result_for(progress, command_id)
        if answer is None:
            raise Problem("conflict", f"The challenge is {progress.status}.")
        responded = ChallengeResult(
            right=answer.right, attempts_left=answer.attempts_left, status=progress.status
        )
        return json_response(responded)


def _shown(progress: ChallengeProgress) -> Challenge:
    return Challenge(
        id=progress.challenge_id,
        status=progress.status,
        trouble=progress.trouble,
        words=why_not(progress.trouble) if progress.trouble else "",
        masked=progress.masked,
        attempts_left=progress.attempts_left,
        until=progress.until,
    )
