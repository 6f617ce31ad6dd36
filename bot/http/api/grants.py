"""/api/grants: lists standing grants (calls approved in advance), and revokes them early."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import BaseModel, Field

from bot.http.api.commands import command_id_of, kind_of_refusal
from bot.http.api.endpoint import DECIDE_ANY, ApiCall, Endpoint, ResponseSpec, json_response
from bot.http.api.problems import Problem
from bot.security.tokens import ADMIN, READ, REQUEST, Token
from orchestration.domain.commands import Reason, Verdict
from orchestration.domain.grants import GrantEnd
from orchestration.domain.held_call import CallFacts
from orchestration.grants.models import GrantProgress
from orchestration.service.grants import GrantService, grant_sentence


class StandingGrant(BaseModel):
    """A standing grant: what is approved in advance, for whom, by whom, and how often the grant was used."""

    id: str
    policy: str
    request: str = Field(description="The request on which it was given")
    call: CallFacts = Field(
        description="Whose call of what; its digest is that of the call on which it was given"
    )
    fixed: str = Field(description="The arguments that are fixed, each with its value, as people read them")
    vary: list[str] = Field(description="The arguments that may have any value, each with its kind")
    requester: str = Field(description="Who answers for the agent")
    asked_with: str | None = Field(description="The API token of the agent")
    granted_by: str
    confirmed: bool = Field(description="Whether a code confirmed it")
    granted_at: datetime
    until: datetime
    uses: int = Field(description="How often it may be used in all")
    used: int = Field(description="How often it was, as its card says")
    ended: GrantEnd | None = Field(description="How it has ended; null while it stands")
    ended_at: datetime | None
    ended_by: str | None
    reason: str

    @classmethod
    def of(cls, progress: GrantProgress) -> StandingGrant:
        """Builds the model from the progress of a grant."""
        facts = progress.facts
        return cls(
            id=facts.id,
            policy=facts.policy,
            request=facts.request_id,
            call=facts.call,
            fixed=facts.pattern.fixed,
            vary=facts.pattern.vary,
            requester=facts.requester,
            asked_with=facts.asked_with,
            granted_by=facts.granted_by,
            confirmed=facts.confirmed,
            granted_at=facts.granted_at,
            until=facts.terms.until,
            uses=facts.terms.uses,
            used=progress.used,
            ended=progress.ended,
            ended_at=progress.ended_at,
            ended_by=progress.ended_by,
            reason=progress.reason,
        )


class GrantList(BaseModel):
    """Those that stand, the one that ends first at the beginning."""

    grants: list[StandingGrant]


class GrantCommandResult(BaseModel):
    """Whether the grant was ended by this, and why not."""

    accepted: bool
    reason: Reason
    message: str = Field(description="The sentence that a person gets in Slack")

    @classmethod
    def of(cls, verdict: Verdict) -> GrantCommandResult:
        """From the core's verdict."""
        return cls(accepted=verdict.accepted, reason=verdict.reason, message=grant_sentence(verdict))


class GrantRoutes:
    """The endpoints, over the service."""

    def __init__(self, grants: GrantService) -> None:
        self._grants = grants

    def endpoints(self) -> list[Endpoint]:
        """All of them."""
        scopes = frozenset({REQUEST, READ, ADMIN, DECIDE_ANY})
        return [
            Endpoint(
                "GET",
                "/api/grants",
                self.list,
                "The standing grants that have not ended",
                scopes,
                {200: ResponseSpec("Those that the token may see", GrantList)},
                ("unavailable",),
                tag="Grants",
            ),
            Endpoint(
                "GET",
                "/api/grants/{id}",
                self.show,
                "One standing grant, also after its end",
                scopes,
                {200: ResponseSpec("How it stands", StandingGrant)},
                ("not-found", "unavailable"),
                tag="Grants",
            ),
            Endpoint(
                "DELETE",
                "/api/grants/{id}",
                self.revoke,
                "Revoke a standing grant: the next such call is asked about",
                frozenset({REQUEST, ADMIN, DECIDE_ANY}),
                {
                    200: ResponseSpec("It is revoked", GrantCommandResult),
                    202: ResponseSpec("On disk, not yet handled", GrantCommandResult),
                },
                ("not-found", "conflict", "unavailable"),
                tag="Grants",
            ),
        ]

    async def list(self, call: ApiCall) -> web.Response:
        """Lists the grants that the token may see: of all policies, of its own policies, or for its owner's agents."""
        found = [one for one in await self._grants.standing() if _sees(call.token, one)]
        return json_response(GrantList(grants=[StandingGrant.of(one) for one in found]))

    async def show(self, call: ApiCall) -> web.Response:
        """Shows one grant. Raises `Problem` if the token may not see it."""
        progress = await self._grants.read(call.instance_id())
        if not _sees(call.token, progress):
            raise Problem(
                "forbidden", "This token sees only grants for its owner's agents, or of its policies."
            )
        return json_response(StandingGrant.of(progress))

    async def revoke(self, call: ApiCall) -> web.Response:
        """Ends a grant. The grant checks who may do so; a token with the scope `admin` always may."""
        grant, token = call.instance_id(), call.token
        progress = await self._grants.read(grant)
        if not (token.may(ADMIN) or _is_of(token, progress)):
            raise Problem(
                "forbidden", "This token revokes only grants for its owner's agents, or of its policies."
            )
        ticket = await self._grants.revoke(
            grant, call.actor, operator=token.may(ADMIN), command_id=command_id_of(call)
        )
        verdict = await self._grants.verdict(ticket)
        answered = GrantCommandResult.of(verdict)
        if verdict.accepted:
            return json_response(answered)
        if verdict.reason is Reason.NO_ANSWER_YET:
            return json_response(answered, 202)
        kind = kind_of_refusal(verdict.reason)
        raise Problem(kind, answered.message, verdict=answered.model_dump(mode="json"))


def _sees(token: Token, progress: GrantProgress) -> bool:
    return token.sees_all or _is_of(token, progress)


def _is_of(token: Token, progress: GrantProgress) -> bool:
    """Whether the grant is for an agent of the token's owner, or belongs to a policy that the token decides."""
    own = token.may(REQUEST) and progress.facts.requester == token.owner
    return own or progress.facts.policy in token.policies
