"""The payloads that tell the app what a person did."""

import secrets
from typing import Any

from bot.simulator.slack_api.app_config import AppConfig
from bot.simulator.slack_api.shapes import Shapes
from bot.simulator.workspace.channels import Channel
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.seed import Member
from bot.simulator.workspace.views import View
from bot.simulator.workspace.workspace import Workspace

Json = dict[str, Any]

# Slack still sends it. Signatures have replaced it, and no app should rely on it.
VERIFICATION_TOKEN = "deprecated-verification-token"  # noqa: S105 — a public placeholder


class Interactions:
    """Builds payloads.

    Source: https://docs.slack.dev/reference/interaction-payloads and the references of commands and events.
    """

    def __init__(self, workspace: Workspace, app: AppConfig) -> None:
        self._workspace = workspace
        self._app = app
        self._shapes = Shapes(workspace, app)

    def command(self, person: Member, channel: Channel, command: str, text: str, **links: str) -> Json:
        """Return the form of a slash command. `links` are trigger_id and response_url."""
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": self._workspace.team_id,
            "team_domain": self._workspace.domain,
            "channel_id": channel.id,
            "channel_name": _channel_name(channel),
            "user_id": person.id,
            "user_name": person.name,
            "command": command,
            "text": text,
            "api_app_id": self._app.app_id,
            "is_enterprise_install": "false",
            **links,
        }

    def message_action(
        self, person: Member, message: Message, channel: Channel, action: Json, values: Json, **links: str
    ) -> Json:
        """Return the block_actions payload for an element of a message; `links` are as for a command."""
        container: Json = {
            "type": "message",
            "message_ts": message.ts,
            "channel_id": channel.id,
            "is_ephemeral": message.ephemeral,
        }
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        payload = {
            **self._interaction("block_actions", person),
            "container": container,
            "channel": {"id": channel.id, "name": _channel_name(channel)},
            **links,
            "state": {"values": values},
            "actions": [action],
        }
        # Slack does not send the content of an ephemeral message back to the app.
        return payload if message.ephemeral else {**payload, "message": self._shapes.message(message)}

    def view_action(self, person: Member, view: View, action: Json, *, trigger_id: str) -> Json:
        """Return the block_actions payload for an element of a modal or an App Home."""
        return {
            **self._interaction("block_actions", person),
            "container": {"type": "view", "view_id": view.id},
            "trigger_id": trigger_id,
            "view": self._shapes.view(view, with_state=True),
            "actions": [action],
        }

    def view_submission(self, person: Member, view: View, *, trigger_id: str) -> Json:
        """Return the payload of a submitted modal."""
        return {
            **self._interaction("view_submission", person),
            "trigger_id": trigger_id,
            "view": self._shapes.view(view, with_state=True),
            "response_urls": [],
        }

    def view_closed(self, person: Member, view: View, *, is_cleared: bool) -> Json:
        """Return the payload of a modal that was dismissed; `is_cleared` says that the whole stack was dismissed."""
        return {
            **self._interaction("view_closed", person),
            "view": self._shapes.view(view),
            "is_cleared": is_cleared,
        }

    def event(self, event: Json) -> Json:
        """Return the envelope the Events API puts around an event."""
        return {
            "token": VERIFICATION_TOKEN,
            "team_id": self._workspace.team_id,
            "api_app_id": self._app.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": "Ev" + secrets.token_hex(5).upper(),
            "event_time": int(self._workspace.now()),
            "authorizations": [
                {
                    "enterprise_id": None,
                    "team_id": self._workspace.team_id,
                    "user_id": self._workspace.people.app().id,
                    "is_bot": True,
                    "is_enterprise_install": False,
                }
            ],
            "is_ext_shared_channel": False,
            "event_context": f"4-{secrets.token_hex(8)}",
        }

    def _interaction(self, kind: str, person: Member) -> Json:
        team = {"id": self._workspace.team_id, "domain": self._workspace.domain}
        return {
            "type": kind,
            "team": team,
            "user": {"id": person.id, "username": person.name, "name": person.name, "team_id": team["id"]},
            "api_app_id": self._app.app_id,
            "token": VERIFICATION_TOKEN,
            "enterprise": None,
            "is_enterprise_install": False,
        }


def _channel_name(channel: Channel) -> str:
    if channel.is_im:
        return "directmessage"
    return "privategroup" if channel.is_private else channel.name
