"""A held call: one call of a tool by an agent that waits for people, as its request names it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

LONGEST_WINDOW: Final = timedelta(days=1)

# ASCII alone: a name that only looks like another one would mislead whoever approves.
AgentName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._:/@'-]{0,59}$")]
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,127}$")]
ServerName = Annotated[str, Field(pattern=r"^([A-Za-z0-9_][A-Za-z0-9 _.:/@-]{0,127})?$")]
_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CallFacts(BaseModel):
    """The call that people were asked about, for cards, digests and receipts. It has the arguments' digest only."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    agent: AgentName
    server: ServerName = Field(default="", description="Whose tool it is; empty for the agent's own")
    tool: ToolName
    directory: str = Field(default="", description="Where it is to run; empty where that does not matter")
    arguments_digest: _Hash = Field(
        description="SHA-256 over the arguments in the form of RFC 8785. In the place of a masked value stands its "
        "digest under the server's secret"
    )


class HeldCall(CallFacts):
    """What binds an approval to one call, in addition to the facts.

    Calls with the same `key` are the same call: asked with the same token, with everything that people are shown, and
    with the exact arguments. `number` counts how often that call was settled before. `window` is how long an answer
    counts.

    `arguments` are as people see them. `bound` are those that the digest covers: they differ where a value is masked.
    """

    key: _Hash
    number: int = Field(ge=0)
    window: timedelta = Field(gt=timedelta(0), le=LONGEST_WINDOW)
    arguments: dict[str, Any] = Field(default_factory=dict)
    bound: dict[str, Any] = Field(default_factory=dict)
    input_schema: dict[str, Any] | None = Field(
        default=None, description="The JSON Schema of the tool's arguments, which an edit has to fit"
    )

    def facts(self) -> CallFacts:
        """The part that is about the call itself."""
        return CallFacts(**self.model_dump(include=set(CallFacts.model_fields)))
