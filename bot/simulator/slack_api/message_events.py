"""The Events API's events about messages."""

from typing import Any

from bot.simulator.workspace.channels import Channel

Json = dict[str, Any]


def message_event(channel: Channel, shape: Json) -> Json:
    """Return the Events API's event for a message in this channel."""
    kind = {"im": "im", "private_channel": "group"}.get(channel.kind, "channel")
    return {**shape, "channel": channel.id, "channel_type": kind, "event_ts": shape["ts"]}


def deleted_event(channel: Channel, ts: str, event_ts: str) -> Json:
    """Return the Events API's event for a deleted message."""
    shape = {
        "type": "message",
        "subtype": "message_deleted",
        "hidden": True,
        "deleted_ts": ts,
        "ts": event_ts,
    }
    return message_event(channel, shape)
