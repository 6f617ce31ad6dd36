"""Who belongs to which Slack user group."""

from __future__ import annotations

from slack_sdk import WebClient

from bot.slack.api.errors import as_delivery_errors


class SlackDirectory:
    """`orchestration.ports.Directory` over the Web API."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def members(self, group: str) -> list[str]:
        """The IDs of the group's present members; a `DeliveryError` where there is no such group.

        A missing scope or a dead token is raised as it is: "could not look" must never pass for "nobody is in it".
        """
        with as_delivery_errors():
            return [str(user) for user in self._client.usergroups_users_list(usergroup=group)["users"]]
