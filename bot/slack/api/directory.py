"""Who belongs to which Slack user group, and who is a member of the workspace."""

from __future__ import annotations

from typing import Final

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError

from bot.slack.api.codes import NOBODY
from bot.slack.api.errors import as_delivery_errors, code_of
from bot.slack.api.own_account import OwnAccount

SLACKBOT: Final = "USLACKBOT"  # the only app whose account Slack does not mark as a bot


class SlackDirectory:
    """`orchestration.ports.Directory` over the Web API."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._own = OwnAccount(client)

    def members(self, group: str) -> list[str]:
        """The IDs of the group's present members; a `DeliveryError` where there is no such group.

        A missing scope or a dead token is raised as it is: a failed look-up must never look like an empty group.
        """
        with as_delivery_errors():
            return [str(user) for user in self._client.usergroups_users_list(usergroup=group)["users"]]

    def is_active(self, person: str) -> bool:
        """Whether this is a human, active member of the app's own workspace; somebody of a shared channel is not.

        As above, a failed look-up raises its own error.
        """
        with as_delivery_errors():
            try:
                user = self._client.users_info(user=person)["user"]
            except SlackApiError as error:
                if code_of(error) in NOBODY:
                    return False
                raise
            if user.get("deleted") or user.get("is_bot") or user.get("is_stranger") or person == SLACKBOT:
                return False
            # In an Enterprise Grid a person belongs to several workspaces.
            teams = {user.get("team_id"), *(user.get("enterprise_user") or {}).get("teams", ())}
            return self._own.get().team in teams
