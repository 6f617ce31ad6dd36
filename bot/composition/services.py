"""Builds the services that the HTTP API and the Slack listeners call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from durabletask.client import AsyncTaskHubGrpcClient

from bot.composition.resources import Resources
from bot.http.api import ApiServices
from bot.records.log import RecordLog
from bot.slack.ids import SlackIds
from bot.slack.listeners import ListenerServices
from orchestration.runtime.connect import Connection
from orchestration.runtime.ours import OURS
from orchestration.service.answers import OwedAnswers
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
from orchestration.service.request_ids import RequestIds
from orchestration.service.seals import SealInventory
from orchestration.service.verdicts import VerdictTally


@dataclass(frozen=True)
class Services:
    """All services, which share one client. `challenges` is None where no codes can be sent."""

    client: AsyncTaskHubGrpcClient
    approvals: ApprovalService
    gatherings: GatheringService
    grants: GrantService
    fulfilments: FulfilmentService
    digests: DigestService
    operations: Operations
    instances: Instances
    entities: Entities
    inventory: SealInventory
    held_calls: HeldCalls
    challenges: ChallengeService | None

    @classmethod
    def over(
        cls,
        connection: Connection,
        client: AsyncTaskHubGrpcClient,
        as_stored: AsyncTaskHubGrpcClient,
        resources: Resources,
        records: RecordLog,
    ) -> Self:
        """Builds the services. `as_stored` is a client that checks no seals."""
        settings, secrets, book, codes = (
            resources.settings,
            resources.secrets,
            resources.book,
            resources.codes,
        )
        turns, precedence, ids = connection.turns, connection.precedence, SlackIds()
        request_ids = RequestIds(lambda about: secrets.derive_each("request-id", about))
        tally = VerdictTally(resources.meters.command)
        approvals = ApprovalService(
            client, book, ids, request_ids, settings.open_limits, turns, precedence, tally
        )
        operations = Operations(client, records)
        return cls(
            client,
            approvals,
            GatheringService(client, book, ids, approvals.starter, turns, precedence, tally),
            GrantService(client, book, ids, connection.now, turns, tally),
            FulfilmentService(client, book, turns),
            DigestService(client, book),
            operations,
            Instances(client, operations),
            Entities(client),
            SealInventory(client, as_stored, connection.keys, OURS),
            HeldCalls(
                client, approvals, lambda about: secrets.derive_each("held-call", about), connection.now
            ),
            codes.service(client, book, turns) if codes else None,
        )

    def for_programs(self) -> ApiServices:
        """Returns the services behind the HTTP API."""
        return ApiServices(
            self.approvals,
            self.operations,
            self.instances,
            self.entities,
            self.inventory,
            self.gatherings,
            self.held_calls,
            self.fulfilments,
            self.digests,
            self.grants,
            self.challenges,
        )

    def for_people(self, owed: OwedAnswers) -> ListenerServices:
        """Returns the services behind the Slack listeners."""
        return ListenerServices(
            self.approvals, self.gatherings, self.fulfilments, owed, self.grants, self.challenges
        )
