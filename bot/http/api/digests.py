"""/api/digests: shows the digest of each channel, and stops it."""

from __future__ import annotations

from datetime import datetime

from aiohttp import web
from pydantic import BaseModel, Field

from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.security.tokens import ADMIN, READ
from orchestration.digest.models import DigestProgress
from orchestration.service.digests import DigestService


class ChannelDigest(BaseModel):
    """One channel's digest as it is being gathered."""

    channel: str
    held: int = Field(description="How many requests the next message counts so far")
    since: datetime | None = Field(description="When the first of them came")
    due_at: datetime | None = Field(description="When they are posted")
    sending: bool = Field(description="Whether a message is on its way, or tried again")


class ChannelDigests(BaseModel):
    """Those that are being gathered, by channel."""

    digests: list[ChannelDigest]


class DigestRoutes:
    """Both endpoints."""

    def __init__(self, service: DigestService) -> None:
        self._service = service

    def endpoints(self) -> list[Endpoint]:
        """For operators."""
        return [
            Endpoint(
                "GET",
                "/api/digests",
                self.show,
                "What the channels' digests hold",
                frozenset({READ, ADMIN}),
                {200: ResponseSpec("Those that are being gathered", ChannelDigests)},
                ("unavailable",),
                tag="Digests",
            ),
            Endpoint(
                "POST",
                "/api/digests/{channel}/stop",
                self.stop,
                "Post what a channel's digest holds now, and end it; the next auto-approval begins another",
                frozenset({ADMIN}),
                {202: ResponseSpec("What is held is being posted", ChannelDigest)},
                ("not-found", "unavailable"),
                tag="Digests",
            ),
        ]

    async def show(self, _: ApiCall) -> web.Response:
        """Lists the digests. One that holds nothing and sends nothing is about to end, so it is left out."""
        found = [one for one in await self._service.standing() if one.held or one.sending]
        return json_response(ChannelDigests(digests=[_shown(one) for one in found]))

    async def stop(self, call: ApiCall) -> web.Response:
        """Stops a digest. Answers 202 once the stop event is on disk."""
        return json_response(_shown(await self._service.stop(call.instance_id("channel"))), 202)


def _shown(progress: DigestProgress) -> ChannelDigest:
    return ChannelDigest.model_validate(progress.model_dump())
