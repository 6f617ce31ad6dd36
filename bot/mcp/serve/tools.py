"""The tools. None of them decides: an approval comes only from people, in Slack or with their own token."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from bot.http.api.commands import KEY_HEADER
from bot.http.api.problems import invalid
from bot.mcp.serve.models import (
    AgentAnswer,
    AskArguments,
    StatusArguments,
    WaitArguments,
    WithdrawArguments,
)
from bot.mcp.serve.port import AgentApprovals, NotDoneError
from bot.mcp.serve.words import answer_of, unseen, waiting_for
from orchestration.domain.request import Status

log = logging.getLogger(__name__)

TICK: Final = 10.0  # seconds between two notifications of progress
HOLD: Final = 30.0  # seconds, for one waiting look
PAUSE: Final = 0.5  # seconds between two tries while the server is away
SPARE: Final = 2.0  # seconds by which an answer may be late

ApprovalsOf = Callable[[ServerRequestContext[Any, Any]], AgentApprovals]


@dataclass(frozen=True)
class ApprovalTool:
    """One tool: how it is listed, what it takes, and what it does."""

    name: str
    title: str
    description: str
    takes: type[BaseModel]
    does: Callable[[AgentApprovals, Any, ServerRequestContext[Any, Any]], Awaitable[AgentAnswer]]
    reads_only: bool = False
    destroys: bool = False

    def listed(self) -> Tool:
        """As the protocol lists it."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.takes.model_json_schema(),
            output_schema=AgentAnswer.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(
                read_only_hint=self.reads_only,
                destructive_hint=self.destroys,
                # A repeat with the same arguments changes nothing, whichever tool it is.
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )


class ApprovalTools:
    """Lists and calls the tools. `approvals_of` finds the approvals of a call's token."""

    def __init__(self, approvals_of: ApprovalsOf) -> None:
        self._approvals_of = approvals_of
        tools = (
            ApprovalTool(
                "request_approval",
                "Ask people for an approval",
                "Asks people in Slack for a yes or no, and returns at once with the ID of the request. They read the "
                "title, the description, the amount and the fields, so say exactly what you are going to do. Read the "
                "resources countersign://policies/… to learn which policies there are and what each wants to know. "
                "Then call wait_for_approval. Without the answer yes, do not do it.",
                AskArguments,
                self._ask,
            ),
            ApprovalTool(
                "approval_status",
                "Look at a request",
                "Tells where a request stands, without waiting.",
                StatusArguments,
                self._status,
                reads_only=True,
            ),
            ApprovalTool(
                "wait_for_approval",
                "Wait for the answer",
                "Waits until people have decided a request, for wait_seconds at most. It changes nothing: when the "
                "answer is still pending, or when the call was lost, call it again.",
                WaitArguments,
                self._wait,
                reads_only=True,
            ),
            ApprovalTool(
                "withdraw",
                "Withdraw a request",
                "Withdraws a request that you asked and no longer need, so that nobody decides it. A request that "
                "has been decided stays decided.",
                WithdrawArguments,
                self._withdraw,
                destroys=True,
            ),
        )
        self._tools: Mapping[str, ApprovalTool] = {tool.name: tool for tool in tools}
        self._listed = [tool.listed() for tool in tools]

    async def list_all(
        self, _: ServerRequestContext[Any, Any], __: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """Returns all tools on one page."""
        return ListToolsResult(tools=self._listed)

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """Returns the JSON Schema of the tool's input."""
        return next((tool.input_schema for tool in self._listed if tool.name == name), None)

    async def call(
        self, context: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        """Calls one tool. A failure is a result that says so. Raises `MCPError` for an unknown tool."""
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:100]!a}")
        try:
            given = tool.takes.model_validate_json(to_json(params.arguments or {}))
            return _result(await tool.does(self._approvals_of(context), given, context))
        except ValidationError as error:
            return _failure(invalid(error).line())
        except PydanticSerializationError:
            return _failure("A text in the arguments has half of a surrogate pair; leave it out.")
        except NotDoneError as error:
            # The tool's argument for what is a header in HTTP.
            return _failure(str(error).replace(f"{KEY_HEADER}: ", "idempotency_key: "))
        except Exception:
            log.exception("the tool %s failed", tool.name)
            return _failure("This is a fault of Countersign's own; its log says more. Take it for no answer.")

    async def _ask(
        self, approvals: AgentApprovals, asked: AskArguments, _: ServerRequestContext[Any, Any]
    ) -> AgentAnswer:
        request_id = await approvals.ask(asked)
        try:
            return answer_of(await approvals.look(request_id))
        except NotDoneError as error:
            return unseen(request_id, str(error))

    async def _status(
        self, approvals: AgentApprovals, given: StatusArguments, _: ServerRequestContext[Any, Any]
    ) -> AgentAnswer:
        return answer_of(await approvals.look(given.id))

    async def _wait(
        self, approvals: AgentApprovals, given: WaitArguments, context: ServerRequestContext[Any, Any]
    ) -> AgentAnswer:
        clock = asyncio.get_running_loop()
        began = clock.time()

        def left() -> float:
            return began + given.wait_seconds - clock.time()

        try:
            async with asyncio.timeout(given.wait_seconds):
                looked = await approvals.look(given.id)
        except TimeoutError as error:
            raise NotDoneError("The server did not answer in time. Call wait_for_approval again.") from error
        while not looked.final and not looked.leaving and left() > 0:
            waiting = asyncio.ensure_future(approvals.wait(given.id, min(HOLD, left())))
            try:
                # A late answer, as on a dead network, is awaited no longer than the caller asked for.
                while not waiting.done() and left() > -SPARE:
                    await context.session.report_progress(
                        clock.time() - began, given.wait_seconds, waiting_for(looked.approval)
                    )
                    await asyncio.wait([waiting], timeout=min(TICK, left() + SPARE))
                looked = waiting.result() if waiting.done() else looked
            except NotDoneError as error:
                if not error.temporary:
                    raise
                # The server still has the request, and is only unreachable for a moment.
                await asyncio.sleep(min(max(PAUSE, error.after), max(left(), 0)))
            finally:
                waiting.cancel()
        return answer_of(looked)

    async def _withdraw(
        self, approvals: AgentApprovals, given: WithdrawArguments, _: ServerRequestContext[Any, Any]
    ) -> AgentAnswer:
        try:
            await approvals.withdraw(given.id, given.reason)
        except NotDoneError as error:
            if not error.conflict:
                raise
            looked = await approvals.look(given.id)
            if looked.approval["status"] != Status.CANCELLED:
                raise
            return answer_of(looked)  # as after a withdrawal whose answer was lost
        return answer_of(await approvals.wait(given.id, HOLD))


def _result(answer: AgentAnswer) -> CallToolResult:
    """Returns structured content, and the same as text and as JSON for clients that do not read the structure."""
    return CallToolResult(
        content=[
            TextContent(type="text", text=f"{answer.id}: {answer.answer}. {answer.next}"),
            TextContent(type="text", text=answer.model_dump_json()),
        ],
        structured_content=answer.model_dump(mode="json"),
    )


def _failure(words: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=words)], is_error=True)
