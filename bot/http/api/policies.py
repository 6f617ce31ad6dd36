"""/api/policies: the policies that a request may name, and the fields of each. It never shows who decides."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, Field

from bot.http.api.approval_access import ApprovalAccess
from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.security.tokens import ADMIN, READ, REQUEST
from orchestration.domain.fields import LONGEST, FieldSpec, FieldType
from orchestration.domain.policy import Policy


class FieldView(BaseModel):
    """One more thing that a request under the policy may say, or has to."""

    name: str = Field(description="The key in `fields`")
    title: str
    required: bool
    type: FieldType = Field(
        description="What a value is: a `date` is such as `2026-12-24`, a `person` an ID, a `link` an http or https "
        "address, `yes_no` is `yes` or `no` (or true or false)"
    )
    choices: list[str] = Field(description="What a value of the type `choice` may be; empty for any other")
    max_length: int = Field(description="In characters")

    @classmethod
    def of(cls, field: FieldSpec) -> FieldView:
        """From the policy file."""
        return cls(
            name=field.name,
            title=field.title,
            required=field.required,
            type=field.type,
            choices=field.choices,
            max_length=LONGEST[field.type],
        )


class PolicyView(BaseModel):
    """What somebody who asks has to know of a policy."""

    policy: str = Field(description="What a request names")
    title: str
    amount_required: bool
    currency: str | None = Field(
        description="The one that amounts are in; without it, an amount says its own"
    )
    fields: list[FieldView]

    @classmethod
    def of(cls, policy: Policy) -> PolicyView:
        """From the policy file."""
        return cls(
            policy=policy.key,
            title=policy.title,
            amount_required=policy.require_amount,
            currency=policy.currency,
            fields=list(map(FieldView.of, policy.fields)),
        )


class PolicyList(BaseModel):
    """Every policy that a request may name."""

    items: list[PolicyView]


class PolicyRoutes:
    """The one endpoint."""

    def __init__(self, access: ApprovalAccess) -> None:
        self._access = access

    def endpoints(self) -> list[Endpoint]:
        """One endpoint, for tokens that may ask."""
        return [
            Endpoint(
                "GET",
                "/api/policies",
                self.list,
                "Under which policies one may ask, by name",
                frozenset({REQUEST, READ, ADMIN}),
                {200: ResponseSpec("All of them", PolicyList)},
            )
        ]

    async def list(self, _: ApiCall) -> web.Response:
        """Lists the policies of the file as it is now."""
        return json_response(PolicyList(items=list(map(PolicyView.of, self._access.policies()))))
