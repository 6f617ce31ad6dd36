"""What a policy says of standing grants: for which tools, what may vary, for how long and how often. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from orchestration.domain.arguments import ANY, path_fault
from orchestration.domain.grants import MOST_USES, PREFIX, GrantPattern
from orchestration.domain.request import Duration, Recorded

LONGEST: Final = timedelta(days=1)
EXAMPLE: Final = "arguments.file_path"


def _argument(path: str) -> str:
    inner = path.removeprefix(PREFIX)
    if inner == path or path_fault(inner) is not None:
        raise ValueError(f"is no path of an argument, such as {EXAMPLE}")
    if ANY in inner.split("."):
        raise ValueError(f"names each argument that may vary by itself, such as {EXAMPLE}, and has no {ANY}")
    return path


def _tool(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no pattern for the name of a tool, such as Edit or mcp__github__*")
    if not text.strip("*?"):
        raise ValueError("would fit every tool; name those whose calls may be granted")
    return text


ToolGlob = Annotated[str, AfterValidator(_tool), Field(min_length=1, max_length=200)]
ArgumentPath = Annotated[str, AfterValidator(_argument), Field(max_length=200)]


class GrantedCalls(Recorded):
    """Calls that may be granted: of these tools, with the same values except in the arguments that may vary."""

    tool: ToolGlob | list[ToolGlob]
    vary: list[ArgumentPath] = Field(default_factory=list, max_length=10)

    @property
    def tools(self) -> list[str]:
        """Its patterns."""
        return [self.tool] if isinstance(self.tool, str) else self.tool

    @property
    def paths(self) -> list[str]:
        """What may vary, as paths into the arguments."""
        return [path.removeprefix(PREFIX) for path in self.vary]


class Grants(Recorded):
    """A policy's table `grants`. The first entry of `calls` that matches the tool says what may vary."""

    longest: Annotated[Duration, Field(le=LONGEST)]
    most_uses: int = Field(ge=1, le=MOST_USES)
    calls: list[GrantedCalls] = Field(min_length=1, max_length=50)

    def of_tool(self, tool: str) -> GrantedCalls | None:
        """The entry that matches this tool; None if its calls may not be granted."""
        return next((one for one in self.calls if any(fnmatchcase(tool, glob) for glob in one.tools)), None)

    def faults(self, levels: int, quorum: object, people: int) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """The faults of the table in a policy with so many levels, and with this quorum at the first.

        `people` have to approve there in any case. A grant is one person's yes, so it may take the place only of what
        one person can approve.
        """
        if levels > 1:
            yield (
                (),
                "a grant is one person's yes, so it goes with one level alone; remove it, or the other levels",
            )
        elif quorum != 1 or people > 1:
            yield (
                (),
                "a grant is one person's yes, so it goes with quorum = 1 alone; remove it, or lower the quorum",
            )
        for number, one in enumerate(self.calls):
            if not one.tools:
                yield ("calls", number, "tool"), "names no tool"


class GrantOffer(Recorded):
    """What may be granted on an open request: calls of this pattern, within these limits."""

    pattern: GrantPattern
    longest: timedelta
    most_uses: int
