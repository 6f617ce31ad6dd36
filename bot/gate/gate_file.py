"""Reads a gate file. Reports each fault with its line, its place and a sentence that says what to do."""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationError, model_validator

from bot.gate.condition import Condition
from orchestration.domain.arguments import path_fault
from orchestration.domain.errors import CountersignError
from orchestration.domain.held_call import LONGEST_WINDOW, AgentName
from orchestration.domain.request import Duration, Model
from orchestration.domain.text import Line
from orchestration.domain.toml_lines import TomlError, tables_of

WINDOW: Final = timedelta(minutes=10)
LARGEST: Final = 1024 * 1024  # bytes


class GateFileError(CountersignError):
    """The gate file is not valid."""


class CallAction(StrEnum):
    """What the gate does with a call."""

    ALLOW = "allow"
    DENY = "deny"
    ASK = "ask"
    CLIENT = "client"


def _condition(text: str) -> str:
    Condition(text)
    return text


def _mask_path(path: str) -> str:
    if (fault := path_fault(path)) is not None:
        raise ValueError(fault)
    return path


def _glob(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is no pattern for the name of a tool, such as Bash or mcp__github__*")
    return text


Glob = Annotated[str, AfterValidator(_glob), Field(min_length=1, max_length=200)]
MaskPath = Annotated[str, AfterValidator(_mask_path), Field(min_length=1, max_length=200)]
PolicyName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Window = Annotated[Duration, Field(le=LONGEST_WINDOW)]


class Rule(Model):
    """One rule. The first rule whose tools and condition fit a call decides the call."""

    tool: Glob | list[Glob]
    when: Annotated[str, AfterValidator(_condition), Field(min_length=1, max_length=4000)] | None = None
    action: CallAction
    reason: Annotated[Line, Field(min_length=1, max_length=300)] | None = None
    policy: PolicyName | None = None
    mask: list[MaskPath] = Field(default_factory=list, max_length=50)
    window: Window | None = None

    @property
    def tools(self) -> list[str]:
        """The patterns for tools."""
        return [self.tool] if isinstance(self.tool, str) else self.tool

    @model_validator(mode="after")
    def _fits_its_action(self) -> Rule:
        if self.action is CallAction.DENY and self.reason is None:
            raise ValueError('needs a reason, which the agent is told: reason = "…"')
        if self.action is not CallAction.DENY and self.reason is not None:
            raise ValueError("reason: goes with deny alone")
        if self.action is not CallAction.ASK:
            for name in ("policy", "window", "mask"):
                if name in self.model_fields_set:
                    raise ValueError(f"{name}: goes with ask alone")
        if not self.tools:
            raise ValueError("tool: names no tool")
        return self


class GateFile(Model):
    """A gate file: what the agent is called, where people are asked, and the rules in their order."""

    agent: AgentName
    server: Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=300)] | None = Field(
        default=None, description="Where Countersign answers; without it, COUNTERSIGN_URL"
    )
    default_policy: PolicyName | None = None
    mask: list[MaskPath] = Field(default_factory=list, max_length=50)
    window: Window = WINDOW
    rules: list[Rule] = Field(default_factory=list, max_length=500)

    @model_validator(mode="after")
    def _asks_somebody(self) -> GateFile:
        if len(self.mask) + max((len(rule.mask) for rule in self.rules), default=0) > 50:
            raise ValueError(
                "mask: a call takes 50 paths at most, those of the file and of its rule together"
            )
        if self.default_policy is None:
            for number, rule in enumerate(self.rules):
                if rule.action is CallAction.ASK and rule.policy is None:
                    raise ValueError(
                        f"rule {number + 1} asks and names no policy; name one, or a default_policy for the file"
                    )
        return self


def load(path: Path) -> GateFile:
    """The gate file. Raises `GateFileError` with one line for each fault: file, line, place, what to do."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise GateFileError(f"{path}: cannot be read ({error.strerror}).") from error
    if len(raw) > LARGEST:
        raise GateFileError(f"{path}: is over {LARGEST // 1024} KB, which is no gate file.")
    try:
        return parse(raw.decode(), str(path))
    except UnicodeDecodeError as error:
        raise GateFileError(f"{path}: is not UTF-8 text.") from error


def parse(text: str, source: str) -> GateFile:
    """As `load`, from text already read; `source` names it in errors."""
    try:
        tables = tables_of(text)
    except TomlError as error:
        line = re.search(r"line (\d+)", str(error))
        place = f"{source}:{line.group(1)}" if line else source
        raise GateFileError(f"{place}: is not valid TOML: {error}.") from error
    try:
        return GateFile.model_validate(tables)
    except ValidationError as error:
        faults = sorted((_line(text, fault["loc"]), _said(fault)) for fault in error.errors())
    raise GateFileError("\n".join(f"{source}:{line}: {words}." for line, words in faults))


# pydantic adds the branch of `tool` that it tried. The file has no such place.
_BRANCH: Final = re.compile(r"^(constrained-str|list\[.*|function-.*)$")


def _line(text: str, loc: tuple[str | int, ...]) -> int:
    """The line in the file nearest to that place. A key before the first table is at the top."""
    # Imported late: it imports the code for policies, which a file without a fault does not need.
    from orchestration.domain.policy_file import locate  # noqa: PLC0415

    found = locate(text, loc)
    if found == 1 and loc:
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(rf'\s*"?{re.escape(str(loc[0]))}"?\s*=', line):
                return number
    return found


def _said(fault: Any) -> str:
    place = ".".join(
        str(part + 1) if isinstance(part, int) else part
        for part in fault["loc"]
        if not _BRANCH.match(str(part))
    )
    words = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        words = "there is no such key"
    elif fault["type"] == "missing":
        words = "is missing"
    return f"{place}: {words}" if place else words
