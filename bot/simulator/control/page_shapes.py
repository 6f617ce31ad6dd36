"""The JSON of people, channels and messages that the page receives."""

from typing import Any

from bot.simulator.workspace.channels import Channel, Unread
from bot.simulator.workspace.messages import Message, Thread
from bot.simulator.workspace.seed import Member
from bot.simulator.workspace.workspace import Workspace

Json = dict[str, Any]


class PageShapes:
    """Writes the page's JSON for one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def person(self, person: Member) -> Json:
        """Return a person, with only the keys that the page uses."""
        fields = ("id", "name", "real_name", "title", "tz", "color", "is_bot")
        return {field: getattr(person, field) for field in fields}

    def channel(self, channel: Channel, viewer: str, unread: Unread) -> Json:
        """Return a channel as this person sees it, with the number of messages they have not read."""
        app = self._workspace.people.app().id
        return {
            "id": channel.id,
            "name": channel.name,
            "topic": channel.topic,
            "is_im": channel.is_im,
            "with": app if channel.im_with == viewer else channel.im_with,
            "is_member": self._workspace.channels.has_member(channel.id, viewer),
            "unread": unread.count,
            "mention": unread.named,
            "last_ts": self._workspace.messages.last_ts(channel.id),
        }

    def messages(self, channel: str, messages: list[Message]) -> list[Json]:
        """Return messages of one channel, each with the summary of its thread."""
        threads = self._workspace.messages.threads(channel)
        return [self._message(message, threads.get(message.ts)) for message in messages]

    def _message(self, message: Message, thread: Thread | None) -> Json:
        author = self._workspace.people.get(message.author)
        return {
            "ts": message.ts,
            "channel": message.channel,
            "user": message.author if author else None,
            "bot": message.bot,
            "username": message.username or (author.real_name if author else ""),
            "text": message.text,
            "blocks": message.blocks,
            "attachments": message.attachments,
            "files": message.files or [],
            "thread_ts": message.thread_ts,
            "broadcast": message.broadcast,
            "reply_count": thread.reply_count if thread else 0,
            "reply_users": thread.reply_users if thread else [],
            "latest_reply": thread.latest_reply if thread else None,
            "edited": {"ts": message.edited} if message.edited else None,
            "reactions": message.reactions,
            "ephemeral": message.ephemeral,
            "metadata": message.metadata,
        }
