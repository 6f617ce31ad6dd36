"""The data types of standing grants: a person's approval, in advance, of a tool's calls that fit a pattern. Pure.

Only what a policy lists may differ between the calls. All other arguments are fixed to the values of the call that the
person saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from orchestration.domain.held_call import CallFacts
from orchestration.domain.ids import PersonId

MOST_USES: Final = 100
PREFIX: Final = "arguments."  # of a path, as in the conditions of a gate file
_KINDS: Final = ((bool, "yes or no"), ((int, float), "a number"), (str, "a text"))


class _Noun(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class GrantTerms(_Noun):
    """What a person chose in the form."""

    until: AwareDatetime
    uses: Annotated[int, Field(ge=1, le=MOST_USES)]


class GrantPattern(_Noun):
    """The calls that a grant covers. Calls with the same `key` fit the same grants.

    `fixed` are the arguments that are fixed, as people read them; `vary` are those that may differ, each with the kind
    of value that it may have.
    """

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    fixed: str
    vary: list[str] = Field(default_factory=list)


class GrantUse(_Noun):
    """The use of a grant for an approval: the use `number` of `of`."""

    grant: str = Field(description="Its ID")
    granted_by: PersonId
    number: int = Field(ge=1)
    of: int = Field(ge=1)
    until: AwareDatetime


class GrantEnd(StrEnum):
    """Why a grant has ended."""

    USED_UP = "used_up"
    EXPIRED = "expired"
    REVOKED = "revoked"
    LAPSED = "lapsed"  # the policy has changed, or whoever gave it may not decide any more
    FAILED = "failed"  # it could not be shown, or there were too many for these calls already


class GrantFacts(_Noun):
    """The facts of a grant. `nonce` is that of the request on which it was given. `id` is derived from both."""

    id: str
    request_id: str
    nonce: str
    policy: str
    policy_title: str
    policy_digest: str
    call: CallFacts
    pattern: GrantPattern
    requester: PersonId = Field(description="Who answers for the agent: the owner of its token")
    asked_with: str | None = Field(default=None, description="The API token of the agent")
    granted_by: PersonId
    confirmed: bool = Field(default=False, description="Whether a code confirmed it")
    granted_at: AwareDatetime
    terms: GrantTerms


def apart(arguments: Any, paths: Sequence[str]) -> tuple[Any, list[tuple[str, str]]]:
    """Splits the arguments into those that are fixed, and those that vary: by path, each with the kind of its value.

    A path leads through objects to a text, a number or a yes or no. Anything else stays where it is: it is fixed.
    """
    varied: list[tuple[str, str]] = []
    for path in dict.fromkeys(paths):
        kind = _kind_at(arguments, path.split("."))
        if kind is not None:
            arguments = _without(arguments, path.split("."))
            varied.append((path, kind))
    return arguments, varied


def _kind_at(value: Any, path: Sequence[str]) -> str | None:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return next((words for kinds, words in _KINDS if isinstance(value, kinds)), None)


def _without(value: Any, path: Sequence[str]) -> Any:
    head, *rest = path
    left = dict(value)
    if rest:
        left[head] = _without(left[head], rest)
    else:
        del left[head]
    return left
