"""Every address of the HTTP API, without a server."""

from typing import Any

from bot.http.api.approvals import ApprovalRoutes
from bot.http.api.calls import CallRoutes
from bot.http.api.challenges import ChallengeRoutes
from bot.http.api.digests import DigestRoutes
from bot.http.api.docs import DocsRoutes
from bot.http.api.endpoint import Endpoint
from bot.http.api.entities import EntityRoutes
from bot.http.api.fulfilments import FulfilmentRoutes
from bot.http.api.gatherings import GatheringRoutes
from bot.http.api.grants import GrantRoutes
from bot.http.api.hooks import HookRoutes
from bot.http.api.instances import InstancesRoutes
from bot.http.api.jwks import JwksRoutes
from bot.http.api.management import ManagementRoutes
from bot.http.api.policies import PolicyRoutes
from bot.http.api.seals import SealRoutes


def endpoints() -> list[Endpoint]:
    """All of them, in the order of the document. Their handlers cannot be called."""
    nothing: Any = None  # listing endpoints needs none of the objects that serve them
    rooms: list[Any] = [
        CallRoutes(nothing, nothing, nothing),
        ChallengeRoutes(nothing),
        HookRoutes(nothing, nothing, nothing, nothing, nothing),
        GatheringRoutes(nothing, nothing, nothing, nothing, nothing),
        ApprovalRoutes(nothing, nothing, nothing, nothing),
        PolicyRoutes(nothing),
        FulfilmentRoutes(nothing),
        ManagementRoutes(nothing, nothing),
        InstancesRoutes(nothing, nothing),
        EntityRoutes(nothing),
        JwksRoutes(nothing, nothing),
        SealRoutes(nothing),
        DigestRoutes(nothing),
        GrantRoutes(nothing),
        DocsRoutes(None),
    ]
    return [endpoint for room in rooms for endpoint in room.endpoints()]
