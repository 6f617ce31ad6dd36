"""/api/calls: an agent's tool call waits for people, and is made at most once."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, model_validator

from bot.http.api.approval_models import CardUrl
from bot.http.api.approvals import POLL_AFTER
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.models import Line, Span
from bot.http.api.problems import Problem
from bot.http.api.urls import Urls
from bot.security.tokens import REQUEST
from orchestration.domain.arguments import path_fault
from orchestration.domain.edits import ARGUMENTS
from orchestration.domain.errors import ForeignCallError, UnusableApprovalError
from orchestration.domain.held_call import LONGEST_WINDOW, AgentName, ServerName, ToolName
from orchestration.domain.request import Model, Status
from orchestration.service.held_calls import DEFAULT_WINDOW, HeldCalls, ToolCall


def _path(path: str) -> str:
    if (fault := path_fault(path)) is not None:
        raise ValueError(fault)
    return path


Path = Annotated[
    Line,
    AfterValidator(_path),
    Field(min_length=1, max_length=200),
]

Attempt = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class NewCall(Model):
    """A tool call. Who asks is always the token's owner, and what people read is made from this and nothing else."""

    policy: Annotated[Line, Field(min_length=1, max_length=40)]
    agent: AgentName
    tool: ToolName
    server: ServerName = Field(default="", description="Whose tool it is, such as an MCP server")
    directory: str = Field(
        default="", max_length=400, description="Where it is to run, where that changes what it does"
    )
    arguments: Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})] = (
        Field(description="The exact arguments. Integers beyond 2^53 - 1 are refused")
    )
    mask: Annotated[list[Path], Field(max_length=50)] = Field(
        default_factory=list,
        description="Paths of values that nobody is to see and nothing keeps, such as `env.API_KEY` or `headers.*`",
    )
    accepts_edits: bool = Field(
        default=False,
        description="Whether the program makes the call with the arguments that the claim is answered with. Else "
        "approvers can change nothing, whatever the policy allows",
    )
    input_schema: (
        Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})] | None
    ) = Field(
        default=None,
        description="The JSON Schema of the tool's arguments, as a server of the Model Context Protocol lists it. What "
        "approvers change has to fit it. 32 KB at most; it refers to nothing outside of it, and not to itself",
    )
    window: Annotated[Span, Field(le=LONGEST_WINDOW)] | None = Field(
        default=None,
        description="How long an answer counts: an approval that was not used, and a rejection. A day at most; "
        "without it, ten minutes",
    )
    run: Annotated[str, Field(pattern=r"^[!-~]{0,128}$")] = Field(
        default="",
        description="Which run of the agent makes the call, such as its session. Calls of one run that wait at the "
        "same time are on one card. It changes nothing else: the same call of another run is the same call",
    )

    resume: bool = Field(
        default=False,
        description="Whether an answer may have been lost: a call that was claimed within the window is found again, "
        "and people are not asked again. `GET /api/calls/{id}/result` then has its result",
    )


class WaitingCall(BaseModel):
    """The request that the call waits for. `GET /api/approvals/{id}` tells how it goes on."""

    id: str
    status: Status
    arguments_digest: str = Field(
        description="Of the arguments as asked, as the card and the receipt have it"
    )
    card_url: str | None = Field(description="Where its newest card is in Slack; null until it is posted")


class NewClaim(Model):
    """Who is to make the call. The same attempt may repeat its claim; another one is refused."""

    attempt: Attempt


class ChangedArgument(BaseModel):
    """A value that approvers changed. `path` leads from the arguments to it."""

    path: list[str]
    before: str | bool | int | float
    after: str | bool | int | float


class ClaimedCall(BaseModel):
    """The call may be made now, once, by this attempt, with these arguments and no others."""

    id: str
    attempt: str
    arguments_digest: str = Field(description="Of these arguments, as the receipt has it")
    arguments: Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})] = (
        Field(description="As they were approved. In the place of what is masked stands `[masked]`")
    )
    edited: bool = Field(description="Whether they are other than they were asked")
    changes: list[ChangedArgument] = Field(description="What is other than it was asked")


class NewResult(Model):
    """The result of the call, given by the attempt that claimed it."""

    attempt: Attempt
    result: (
        Annotated[dict[str, Any], WithJsonSchema({"type": "object", "additionalProperties": True})] | None
    ) = Field(description="As the tool gave it; null if it is too large to be kept, or if there is none")
    made: bool = Field(
        default=True,
        description="Whether the call was made. False if it certainly was not; then people are asked again about it",
    )

    @model_validator(mode="after")
    def _has_a_result_of_something(self) -> NewResult:
        if not self.made and self.result is not None:
            raise ValueError("result: goes with a call that was made")
        return self


class Made(StrEnum):
    """What is known of a call."""

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"


class CallOutcome(BaseModel):
    """What is known about an approved call: whether it was made, and its result."""

    id: str
    made: Made = Field(
        description="`no`: nobody has claimed it, or it was not made. `unknown`: it was claimed, or that is not known "
        "any more, and may have been made"
    )
    at: datetime | None = Field(description="When its result came; without one, when it was claimed")
    result: dict[str, Any] | None = Field(description="Null if there is none, or if it was too large")


class CallRoutes:
    """Asks about tool calls, claims approved ones and keeps their results. Reading and waiting: as for any approval."""

    def __init__(self, calls: HeldCalls, urls: Urls, card_url: CardUrl) -> None:
        self._calls = calls
        self._urls = urls
        self._card_url = card_url

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        return [
            Endpoint(
                "POST",
                "/api/calls",
                self.ask,
                "Ask people about a tool call, or join the request that the very same call waits for",
                frozenset({REQUEST}),
                {
                    200: ResponseSpec("It is decided, and the answer still counts", WaitingCall),
                    202: ResponseSpec("People decide", WaitingCall, ("Location", "Retry-After")),
                },
                ("too-many-open", "unavailable"),
                body=NewCall,
                tag="Calls",
            ),
            Endpoint(
                "POST",
                "/api/calls/{id}/claim",
                self.claim,
                "Use an approval up: the call may be made now, once",
                frozenset({REQUEST}),
                {200: ResponseSpec("This attempt may make the call", ClaimedCall)},
                ("not-found", "conflict", "unavailable"),
                body=NewClaim,
                tag="Calls",
            ),
            Endpoint(
                "POST",
                "/api/calls/{id}/result",
                self.keep,
                "Keep the result of a call, with the attempt that claimed it. The first result counts",
                frozenset({REQUEST}),
                {204: ResponseSpec("It is kept")},
                ("not-found", "conflict", "unavailable"),
                body=NewResult,
                tag="Calls",
            ),
            Endpoint(
                "GET",
                "/api/calls/{id}/result",
                self.made,
                "Whether an approved call was made, and its result",
                frozenset({REQUEST}),
                {200: ResponseSpec("What is known of it", CallOutcome)},
                ("not-found", "unavailable"),
                tag="Calls",
            ),
        ]

    async def ask(self, call: ApiCall) -> web.Response:
        """Asks about the call, or joins the request that waits for the same call."""
        given = await call.body(NewCall)
        asked = ToolCall(
            policy=given.policy,
            agent=given.agent,
            tool=given.tool,
            arguments=given.arguments,
            server=given.server,
            directory=given.directory,
            mask=given.mask,
            window=given.window or DEFAULT_WINDOW,
            accepts_edits=given.accepts_edits,
            input_schema=given.input_schema,
            run=given.run,
        )
        progress, digest = await self._calls.ask(asked, call.actor, resume=given.resume)
        shown = WaitingCall(
            id=progress.request_id,
            status=progress.status,
            arguments_digest=digest,
            card_url=self._card_url(progress.cards),
        )
        if progress.status.ended:
            return json_response(shown)
        headers = {"Location": self._urls.approval(progress.request_id), "Retry-After": POLL_AFTER}
        return json_response(shown, 202, headers)

    async def claim(self, call: ApiCall) -> web.Response:
        """Uses the approval up for one attempt. Raises `Problem` if it cannot be claimed."""
        given = await call.body(NewClaim)
        request_id = call.instance_id()
        try:
            made = await self._calls.claim(request_id, call.actor, given.attempt)
        except ForeignCallError as error:
            raise Problem("forbidden", str(error)) from error
        except UnusableApprovalError as error:
            raise Problem("conflict", str(error)) from error
        claimed = ClaimedCall(
            id=request_id,
            attempt=given.attempt,
            arguments_digest=made.call.arguments_digest,
            arguments=made.call.arguments,
            edited=bool(made.changes),
            changes=[
                ChangedArgument(
                    path=change.path.removeprefix(ARGUMENTS).split("."),
                    before=change.before,
                    after=change.after,
                )
                for change in made.changes
            ],
        )
        return json_response(claimed)

    async def keep(self, call: ApiCall) -> web.Response:
        """Stores the call's result. Raises `Problem` if it cannot be stored."""
        given = await call.body(NewResult)
        try:
            await self._calls.keep_result(
                call.instance_id(), call.actor, given.attempt, given.result, made=given.made
            )
        except ForeignCallError as error:
            raise Problem("forbidden", str(error)) from error
        except UnusableApprovalError as error:
            raise Problem("conflict", str(error)) from error
        return web.Response(status=HTTPStatus.NO_CONTENT)

    async def made(self, call: ApiCall) -> web.Response:
        """Returns what is known of the call. Raises `Problem`."""
        request_id = call.instance_id()
        try:
            known = await self._calls.made(request_id, call.actor)
        except ForeignCallError as error:
            raise Problem("forbidden", str(error)) from error
        if known is None:
            return json_response(CallOutcome(id=request_id, made=Made.NO, at=None, result=None))
        made = {True: Made.YES, False: Made.NO, None: Made.UNKNOWN}[known.ran]
        result = None if known.result is None else dict(known.result)
        return json_response(CallOutcome(id=request_id, made=made, at=known.at, result=result))
