"""The HTTP API: ask, wait and decide from programs."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiohttp import web

from bot.http.api.approval_access import ApprovalAccess
from bot.http.api.approval_models import CardUrl
from bot.http.api.approvals import ApprovalRoutes
from bot.http.api.authentication import Authenticator
from bot.http.api.calls import CallRoutes
from bot.http.api.challenges import ChallengeRoutes
from bot.http.api.digests import DigestRoutes
from bot.http.api.docs import DocsRoutes
from bot.http.api.entities import EntityRoutes
from bot.http.api.fulfilments import FulfilmentRoutes
from bot.http.api.gatherings import GatheringRoutes
from bot.http.api.grants import GrantRoutes
from bot.http.api.hooks import HookRoutes
from bot.http.api.instances import InstancesRoutes
from bot.http.api.jwks import JwksRoutes
from bot.http.api.management import ManagementRoutes
from bot.http.api.outcome_events import OutcomeEvents
from bot.http.api.policies import PolicyRoutes
from bot.http.api.rate_limit import RateLimiter
from bot.http.api.seals import SealRoutes
from bot.http.api.urls import Urls
from bot.security.answer_addresses import AnswerAddresses
from bot.security.keys import SigningKeys
from bot.security.secrets import Secrets
from bot.security.tokens import TokenFile
from orchestration.ports import Signer
from orchestration.service.approvals import ApprovalService
from orchestration.service.challenges import ChallengeService
from orchestration.service.digests import DigestService
from orchestration.service.entities import Entities
from orchestration.service.fulfilments import FulfilmentService
from orchestration.service.gatherings import GatheringService
from orchestration.service.grants import GrantService
from orchestration.service.held_calls import HeldCalls
from orchestration.service.instances import Instances
from orchestration.service.operations import Operations
from orchestration.service.seals import SealInventory

__all__ = ["Api", "ApiServices"]


@dataclass(frozen=True)
class ApiServices:
    """The services behind the API. `challenges` is None where no codes can be sent; its endpoints are then left out."""

    approvals: ApprovalService
    operations: Operations
    instances: Instances
    entities: Entities
    inventory: SealInventory
    gatherings: GatheringService
    held_calls: HeldCalls
    fulfilments: FulfilmentService
    digests: DigestService
    grants: GrantService
    challenges: ChallengeService | None = None


class Api:
    """All routes under /api, for one application."""

    def __init__(
        self,
        services: ApiServices,
        tokens: TokenFile,
        secrets: Secrets,
        keys: SigningKeys,
        *,
        public_url: str | None,
        issuer: str,
        card_url: CardUrl,
    ) -> None:
        self.inventory = services.inventory
        self.gatherings = services.gatherings
        rates = RateLimiter(time.monotonic)
        urls = Urls(public_url, secrets, tokens, rates)
        self.access = ApprovalAccess(services.approvals, services.operations, services.fulfilments, card_url)
        self.rates = rates
        addresses = AnswerAddresses(public_url, secrets)
        self._gathering_routes = GatheringRoutes(
            services.gatherings, services.operations, urls, addresses, card_url
        )
        docs = DocsRoutes(public_url)
        groups = (
            ApprovalRoutes(services.approvals, services.operations, self.access, urls),
            PolicyRoutes(self.access),
            self._gathering_routes,
            HookRoutes(services.operations, services.fulfilments, urls, services.gatherings, addresses),
            FulfilmentRoutes(services.fulfilments),
            CallRoutes(services.held_calls, urls, card_url),
            ManagementRoutes(services.operations, urls),
            InstancesRoutes(services.instances, urls),
            EntityRoutes(services.entities),
            JwksRoutes(keys, issuer),
            SealRoutes(services.inventory),
            DigestRoutes(services.digests),
            GrantRoutes(services.grants),
            docs,
        )
        endpoints = [endpoint for group in groups for endpoint in group.endpoints()]
        if services.challenges is not None:
            endpoints += ChallengeRoutes(services.challenges).endpoints()
        docs.describe(endpoints)
        self.authenticator = Authenticator(endpoints, tokens, rates, public_url)

    @property
    def polls(self) -> int:
        """The number of long polls that are waiting."""
        return self.access.long_polling.waiting + self._gathering_routes.long_polling.waiting

    @property
    def watched(self) -> int:
        """The number of requests that the long polls watch."""
        return self.access.long_polling.watched + self._gathering_routes.long_polling.watched

    def outcome_events(self, signer: Signer) -> Signer:
        """Wraps the signer: the result also wakes the long polls of each request that it signs."""
        return OutcomeEvents(signer, self.access.long_polling)

    def attach(self, application: web.Application) -> None:
        """Adds the routes; a shutdown of the application answers every long poll at once."""
        self.authenticator.attach(application)

        async def close(_: web.Application) -> None:
            self.access.long_polling.close()
            self._gathering_routes.long_polling.close()

        application.on_shutdown.append(close)
