"""An agent that asks under a policy with grants, and people who give and revoke them."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from bot.simulator import Person
from bot.slack.views import grant_form
from orchestration.domain.commands import Progress
from orchestration.grants.models import GrantProgress
from tests.support.api_world import ApiAnswer, ApiWorld
from tests.support.messages import Message, actions_of, text_of
from tests.support.world import policies, read

CHANNEL = "C0DEPLOYS"


class GrantWorld(ApiWorld):
    """The world of `policies/grants.toml`, with an agent of Rita's."""

    def __init__(self, data: Path, **more: Any) -> None:
        super().__init__(data, **more)
        self.write(policies("grants"))
        self.agent = self.token("agent", "U0RITA", "request")

    async def ask_call(self, call: dict[str, Any], token: str | None = None) -> str:
        """Makes the call; returns the ID of the request that it waits for."""
        answer = await self.call("POST", "/api/calls", token or self.agent, json=call)
        assert answer.status in {200, 202}, answer.body
        request_id: str = answer.body["id"]
        return request_id

    async def asked_people(self, call: dict[str, Any], token: str | None = None) -> str:
        """As `ask_call`; returns once people see the request's card."""
        request_id = await self.ask_call(call, token)
        await self.until(request_id, lambda progress: len(progress.cards) == 1)
        return request_id

    async def by_grant(self, call: dict[str, Any], token: str | None = None) -> Progress:
        """Makes the call; returns the status of its request, which a grant has to approve."""
        request_id = await self.ask_call(call, token)
        progress = await self.until(request_id, lambda one: one.status.ended or bool(one.cards))
        assert progress.outcome is not None, "people are asked"
        assert progress.outcome.grant is not None, "people have decided"
        return progress

    async def claim(self, request_id: str, token: str | None = None) -> ApiAnswer:
        """A claim with an attempt ID of its own."""
        attempt = {"attempt": secrets.token_urlsafe(16)}
        return await self.call("POST", f"/api/calls/{request_id}/claim", token or self.agent, json=attempt)

    async def card(self, person: Person, request_id: str) -> Message:
        """The card of a request, as the person sees it."""
        return await person.wait_for_message(
            CHANNEL,
            lambda message: (
                (message["metadata"] or {}).get("event_payload", {}).get("instance_id") == request_id
            ),
        )

    async def grant_form(self, person: Person, request_id: str) -> dict[str, Any]:
        """The form that opens for the person at the card's button."""
        card = await self.card(person, request_id)
        await person.click(CHANNEL, card["ts"], "grant_like_this")
        return await person.wait_for_view(grant_form.ID)

    async def grant(self, person: Person, request_id: str, **values: str) -> GrantProgress:
        """Gives a grant on the request by the form; returns the grant once its card is posted."""
        await person.submit(await self.grant_form(person, request_id), values)
        return await self.standing_of(request_id)

    async def standing_of(self, request_id: str) -> GrantProgress:
        """The grant that was given on the request, once its card is posted."""
        await self.until(request_id, lambda one: one.status.ended)
        await self.eventually(lambda: bool(self.grant_cards(request_id)))
        [card] = self.grant_cards(request_id)
        assert card.metadata is not None
        return await self.grants.read(card.metadata["event_payload"]["instance_id"])

    def grant_cards(self, request_id: str) -> list[Any]:
        """The cards of the grants given on the request."""
        return [
            message
            for message in self.workspace.messages.in_channel(CHANNEL)
            if message.metadata
            and message.metadata["event_type"] == "approval_message"
            and message.metadata["event_payload"]["instance_id"].startswith(f"grant-{request_id}-")
        ]

    def says(self, request_id: str) -> str:
        """The whole text of the only card of the grant that was given on the request."""
        [card] = self.grant_cards(request_id)
        return read(card)

    def told_uses(self, request_id: str) -> list[str]:
        """The thread of the grant's card."""
        [card] = self.grant_cards(request_id)
        return "\n".join(self.thread(card)).splitlines()


def an_edit(**changes: Any) -> dict[str, Any]:
    """An edit that no other test makes."""
    arguments = {"file_path": "/srv/a.py", "old_string": "a", "new_string": secrets.token_hex(4)}
    return {
        "policy": "agents",
        "agent": "claude-code",
        "server": "editor",
        "tool": "Edit",
        "arguments": arguments,
    } | changes


def at(call: dict[str, Any], path: str) -> dict[str, Any]:
    """The call, with another file."""
    return call | {"arguments": call["arguments"] | {"file_path": path}}


def is_grantable(message: Message) -> bool:
    """Whether the card has the button for a grant."""
    return "grant_like_this" in actions_of(message)


def says_of(message: Message) -> str:
    """All that a person can read of the card."""
    return text_of(message)
