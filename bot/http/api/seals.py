"""/api/seals: which sealing keys are in use, for whoever rotates COUNTERSIGN_SECRET."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, Field

from bot.http.api.endpoint import ApiCall, Endpoint, ResponseSpec, json_response
from bot.security.tokens import ADMIN
from orchestration.service.seals import SealInventory


class SealingKey(BaseModel):
    """One sealing key, and what is sealed with it on the hub."""

    id: str
    held: bool = Field(description="Whether this process holds it")
    seals: bool = Field(description="Whether it is the one that makes seals")
    open: list[str] = Field(description="Open instances that cannot go on without it")
    entities: int = Field(description="Entities whose state it sealed; reseal them")
    ended: int = Field(description="Ended instances that cannot be read without it")


class SealingKeys(BaseModel):
    """Every key that is held or in use."""

    keys: list[SealingKey]


class Resealed(BaseModel):
    """How many entities are sealed with the newest secret."""

    entities: int


class SealRoutes:
    """Both endpoints."""

    def __init__(self, inventory: SealInventory) -> None:
        self._inventory = inventory

    def endpoints(self) -> list[Endpoint]:
        """For operators."""
        return [
            Endpoint(
                "GET",
                "/api/seals",
                self.show,
                "Which sealing keys are in use",
                frozenset({ADMIN}),
                {200: ResponseSpec("The keys, the one that seals first", SealingKeys)},
                tag="Seals",
            ),
            Endpoint(
                "POST",
                "/api/seals/reseal",
                self.reseal,
                "Seal the state of entities with the newest key",
                frozenset({ADMIN}),
                {202: ResponseSpec("They are being sealed", Resealed)},
                tag="Seals",
            ),
        ]

    async def show(self, _: ApiCall) -> web.Response:
        """Looks through the whole hub."""
        held = self._inventory.keys.ids
        uses = await self._inventory.uses()
        keys = [
            SealingKey(
                id=key,
                held=key in held,
                seals=key == held[0],
                open=sorted(use.open),
                entities=len(use.entities),
                ended=use.ended,
            )
            for key, use in uses.items()
        ]
        return json_response(SealingKeys(keys=keys))

    async def reseal(self, _: ApiCall) -> web.Response:
        """Seals every entity with the newest secret: an operation without a change makes it write its state again."""
        return json_response(Resealed(entities=await self._inventory.reseal_entities()), 202)
