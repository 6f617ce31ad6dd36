"""Slack's JSON for people, channels, messages and views."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.simulator.slack_api.app_config import AppConfig
from bot.simulator.slack_api.elements import state
from bot.simulator.workspace.channels import Channel
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.seed import Group, Member
from bot.simulator.workspace.views import View
from bot.simulator.workspace.workspace import Workspace

Json = dict[str, Any]

# The creation time of everything whose age does not matter here.
LONG_AGO = 1700000000


class Shapes:
    """Writes Slack's JSON for one workspace and the app in it."""

    def __init__(self, workspace: Workspace, app: AppConfig) -> None:
        self._workspace = workspace
        self._app = app

    def person(self, person: Member, *, with_email: bool) -> Json:
        """Return a user object. Slack leaves the e-mail address out without the scope for it."""
        team = person.team_id or self._workspace.team_id
        profile: Json = {
            "title": person.title,
            "phone": "",
            "skype": "",
            "real_name": person.real_name,
            "real_name_normalized": person.real_name,
            "display_name": person.name,
            "display_name_normalized": person.name,
            "status_text": "",
            "status_emoji": "",
            "team": team,
        }
        if person.is_bot:
            profile |= {"api_app_id": self._app.app_id, "bot_id": self._app.bot_id, "always_active": True}
        elif with_email:
            profile["email"] = person.email
        return {
            "id": person.id,
            "team_id": team,
            "name": person.name,
            "deleted": person.is_deactivated,
            "color": person.color,
            "real_name": person.real_name,
            **self._zone(person),
            "profile": profile,
            "is_admin": False,
            "is_owner": False,
            "is_primary_owner": False,
            "is_restricted": False,
            "is_ultra_restricted": False,
            "is_bot": person.is_bot,
            "is_app_user": False,
            "updated": LONG_AGO,
        }

    def _zone(self, person: Member) -> Json:
        try:
            there = datetime.fromtimestamp(self._workspace.now(), ZoneInfo(person.tz))
        except ZoneInfoNotFoundError:
            # A small machine may have no time zone data; then only the name is returned.
            return {"tz": person.tz, "tz_label": person.tz, "tz_offset": 0}
        offset = there.utcoffset() or timedelta()
        return {"tz": person.tz, "tz_label": there.tzname(), "tz_offset": int(offset.total_seconds())}

    def group(self, group: Group, *, with_users: bool) -> Json:
        """Return a user group object."""
        shape: Json = {
            "id": group.id,
            "team_id": self._workspace.team_id,
            "is_usergroup": True,
            "is_subteam": True,
            "name": group.name,
            "description": "",
            "handle": group.handle,
            "is_external": False,
            "date_create": LONG_AGO,
            "date_update": LONG_AGO,
            "date_delete": 0,
            "auto_type": None,
            "created_by": self._workspace.people.app().id,
            "updated_by": self._workspace.people.app().id,
            "deleted_by": None,
            "prefs": {"channels": [], "groups": []},
            "user_count": len(group.members),
        }
        return {**shape, "users": list(group.members)} if with_users else shape

    def channel(self, channel: Channel, *, num_members: bool = False) -> Json:
        """Return a conversation object."""
        bot = self._workspace.people.app().id
        if channel.is_im:
            return {
                "id": channel.id,
                "created": LONG_AGO,
                "is_archived": False,
                "is_im": True,
                "is_org_shared": False,
                "user": channel.im_with,
                "is_user_deleted": False,
                "priority": 0,
            }
        shape: Json = {
            "id": channel.id,
            "name": channel.name,
            "is_channel": not channel.is_private,
            "is_group": channel.is_private,
            "is_im": False,
            "is_mpim": False,
            "is_private": channel.is_private,
            "created": LONG_AGO,
            "is_archived": channel.is_archived,
            "is_general": channel.name == "general",
            "unlinked": 0,
            "name_normalized": channel.name,
            "is_shared": False,
            "is_org_shared": False,
            "is_pending_ext_shared": False,
            "pending_shared": [],
            "context_team_id": self._workspace.team_id,
            "creator": bot,
            "is_ext_shared": False,
            "shared_team_ids": [self._workspace.team_id],
            "is_member": self._workspace.channels.has_member(channel.id, bot),
            "topic": {"value": channel.topic, "creator": "", "last_set": 0},
            "purpose": {"value": "", "creator": "", "last_set": 0},
            "previous_names": [],
        }
        if num_members:
            shape["num_members"] = len(self._workspace.channels.members(channel.id))
        return shape

    def message(self, message: Message, *, with_metadata: bool = True) -> Json:
        """Return a message object; without its metadata's payload unless `with_metadata`."""
        shape: Json = {"type": "message", "user": message.author, "text": message.text, "ts": message.ts}
        shape["team"] = self._workspace.team_id
        if message.bot:
            app = self._workspace.people.app()
            shape |= {
                "bot_id": self._app.bot_id,
                "app_id": self._app.app_id,
                "bot_profile": {
                    "id": self._app.bot_id,
                    "app_id": self._app.app_id,
                    "user_id": app.id,
                    "name": app.real_name,
                    "icons": {},
                    "deleted": False,
                    "updated": LONG_AGO,
                    "team_id": self._workspace.team_id,
                },
            }
        if message.username:
            shape |= {"subtype": "bot_message", "username": message.username}
        if message.blocks is not None:
            shape["blocks"] = message.blocks
        if message.attachments:
            shape["attachments"] = message.attachments
        if message.files:
            shape |= {"files": message.files, "upload": True}
        if message.edited:
            shape["edited"] = {"user": message.author, "ts": message.edited}
        if message.metadata is not None:
            shape["metadata"] = (
                message.metadata if with_metadata else {"event_type": message.metadata["event_type"]}
            )
        if message.reactions:
            shape["reactions"] = [
                {"name": name, "users": users, "count": len(users)}
                for name, users in message.reactions.items()
            ]
        if message.ephemeral:
            shape["is_ephemeral"] = True
        return shape | self._thread(message)

    def _thread(self, message: Message) -> Json:
        if message.thread_ts is not None:
            shape: Json = {"thread_ts": message.thread_ts}
            if parent := self._workspace.messages.get(message.channel, message.thread_ts):
                shape["parent_user_id"] = parent.author
            return shape | ({"subtype": "thread_broadcast"} if message.broadcast else {})
        thread = self._workspace.messages.threads(message.channel, message.ts).get(message.ts)
        if thread is None:
            return {}
        return {
            "thread_ts": message.ts,
            "reply_count": thread.reply_count,
            "reply_users_count": len(thread.reply_users),
            "latest_reply": thread.latest_reply,
            "reply_users": thread.reply_users,
            "is_locked": False,
            "subscribed": False,
        }

    def view(self, view: View, *, with_state: bool = False) -> Json:
        """Return a view object; with what the person has entered when `with_state`."""
        stack = [] if view.is_home else self._workspace.views.stack(view.person)
        below = [
            other.id
            for other in stack
            if other.position is not None and other.position < (view.position or 0)
        ]
        return {
            "id": view.id,
            "team_id": self._workspace.team_id,
            **view.content,
            "state": {"values": state(view.blocks, view.values) if with_state else {}},
            "hash": view.hash,
            "root_view_id": below[0] if below else view.id,
            "previous_view_id": below[-1] if below else None,
            "app_id": self._app.app_id,
            "app_installed_team_id": self._workspace.team_id,
            "bot_id": self._app.bot_id,
        }
