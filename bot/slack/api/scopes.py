"""Which of Slack's Web API methods are called, and the scopes that each needs. The manifest asks for just these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# By method: https://docs.slack.dev/reference/methods. Where a method has several, each is for one kind of channel.
METHODS: Final[Mapping[str, frozenset[str]]] = {
    "apps.connections.open": frozenset(),  # takes the app-level token, whose scope is connections:write
    "auth.test": frozenset(),
    "chat.delete": frozenset({"chat:write"}),
    "chat.getPermalink": frozenset(),
    "chat.postEphemeral": frozenset({"chat:write"}),
    "chat.postMessage": frozenset({"chat:write", "chat:write.public"}),
    "chat.update": frozenset({"chat:write"}),
    "conversations.history": frozenset({"channels:history", "groups:history", "im:history"}),
    "conversations.info": frozenset({"channels:read"}),  # for public channels only; others are not named
    "conversations.open": frozenset({"im:write"}),
    "conversations.replies": frozenset({"channels:history", "groups:history", "im:history"}),
    "files.completeUploadExternal": frozenset({"files:write"}),
    "files.getUploadURLExternal": frozenset({"files:write"}),
    "usergroups.list": frozenset({"usergroups:read"}),
    "usergroups.users.list": frozenset({"usergroups:read"}),
    "users.info": frozenset({"users:read"}),
    "views.open": frozenset(),
    "views.publish": frozenset(),
    "views.push": frozenset(),
    "views.update": frozenset(),
}
# What each scope is needed for, as the end of a sentence.
USES: Final[Mapping[str, str]] = {
    "channels:history": "to look whether a card is in a public channel already, after a crash",
    "channels:read": "to name public channels where Slack does not, as on the page of a record",
    "chat:write": "to post cards and to edit them",
    "chat:write.public": "to post cards in public channels that nobody invited the app to",
    "commands": "for /request-approval",
    "files:write": "to show a document under the card of its review",
    "groups:history": "to look whether a card is in a private channel already, after a crash",
    "im:history": "to look whether somebody was told already, after a crash",
    "im:write": "to send direct messages",
    "usergroups:read": "to know who is in a user group that may decide",
    "users:read": "to know who is an active member of the workspace",
}
SCOPES: Final = frozenset(USES)
