"""/api/calls: an agent's tool call waits for people, and is made at most once."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema

from bot.http.api.approvals import POLL_AFTER
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.models import Line, Span
from bot.http.api.problems import Problem
from bot.http.api.urls import Urls
from bot.security.tokens import REQUEST
from orchestration.domain.arguments import path_fault
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


class WaitingCall(BaseModel):
    """The request that the call waits for. `GET /api/approvals/{id}` tells how it goes on."""

    id: str
    status: Status
    arguments_digest: str = Field(description="As the card and the receipt have it")


class NewClaim(Model):
    """Who is to make the call. The same attempt may repeat its claim; another one is refused."""

    attempt: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]


class ClaimedCall(BaseModel):
    """The call may be made now, once, by this attempt."""

    id: str
    attempt: str
    arguments_digest: str


class CallRoutes:
    """Asks and claims. To look and wait is the same as for every other approval."""

    def __init__(self, calls: HeldCalls, urls: Urls) -> None:
        self._calls = calls
        self._urls = urls

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
        ]

    async def ask(self, call: ApiCall) -> web.Response:
        """Asks or joins."""
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
            run=given.run,
        )
        progress, digest = await self._calls.ask(asked, call.actor)
        shown = WaitingCall(id=progress.request_id, status=progress.status, arguments_digest=digest)
        if progress.status.ended:
            return json_response(shown)
        headers = {"Location": self._urls.approval(progress.request_id), "Retry-After": POLL_AFTER}
        return json_response(shown, 202, headers)

    async def claim(self, call: ApiCall) -> web.Response:
        """Uses it up. Raises `Problem` where that cannot be."""
        given = await call.body(NewClaim)
        request_id = call.instance_id()
        try:
            made = await self._calls.claim(request_id, call.actor, given.attempt)
        except ForeignCallError as error:
            raise Problem("forbidden", str(error)) from error
        except UnusableApprovalError as error:
            raise Problem("conflict", str(error)) from error
        return json_response(
            ClaimedCall(id=request_id, attempt=given.attempt, arguments_digest=made.arguments_digest)
        )
