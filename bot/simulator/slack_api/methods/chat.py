"""chat.* and reactions.*: the app's messages and reactions."""

import json
from dataclasses import replace

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.message_content import POSTED_TEXT, checked_blocks, read_content
from bot.simulator.slack_api.message_events import deleted_event, message_event
from bot.simulator.slack_api.methods.table import Json, MethodCall, method
from bot.simulator.workspace.channels import Channel
from bot.simulator.workspace.messages import Message

# An update with a text of this length is refused. A post is cut off, at a much greater length.
UPDATED_TEXT = 4_000
# Slack documents no limit. This one is low enough to be safe, and far above what a reference needs.
METADATA_BYTES = 8_000


@method("chat.postMessage", "chat:write")
def post_message(call: MethodCall) -> Json:
    """Post to a channel, a thread, or (named by user ID) a direct message."""
    channel = _addressed(call)
    if not call.is_member(channel) and "chat:write.public" not in call.app.scopes:
        raise SlackError("not_in_channel")
    content = _content(call)
    message = Message(
        channel=channel.id,
        author=call.bot,
        bot=True,
        username=_username(call),
        metadata=_metadata(call),
        thread_ts=_thread_ts(call, channel),
        broadcast=call.args.flag("reply_broadcast") and "thread_ts" in call.args,
        **content,
    )
    posted = call.workspace.messages.post(message)
    shape = call.shapes.message(posted)
    call.emit(message_event(channel, shape))
    answer = {"channel": channel.id, "ts": posted.ts, "message": shape}
    if len(call.args.text("text")) > POSTED_TEXT:
        warning = "message_truncated"
        answer |= {"warning": warning, "response_metadata": {"warnings": [warning]}}
    return answer


@method("chat.postEphemeral", "chat:write")
def post_ephemeral(call: MethodCall) -> Json:
    """Show a message to one person only."""
    channel = _addressed(call)
    person = call.args.required("user")
    if call.workspace.people.get(person) is None:
        raise SlackError("user_not_found")
    if not call.workspace.channels.has_member(channel.id, person):
        raise SlackError("user_not_in_channel")
    if not call.is_member(channel) and "chat:write.public" not in call.app.scopes:
        raise SlackError("not_in_channel")
    message = Message(
        channel=channel.id,
        author=call.bot,
        bot=True,
        username=_username(call),
        thread_ts=_thread_ts(call, channel),
        ephemeral_to=person,
        **_content(call),
    )
    return {"message_ts": call.workspace.messages.post(message).ts}


@method("chat.update", "chat:write")
def update(call: MethodCall) -> Json:
    """Change one of the app's own messages. What is left out stays; text without blocks removes the blocks."""
    channel = call.channel()
    message = _own_message(call, channel, "cant_update_message")
    if not {"text", "blocks", "attachments", "metadata"} & call.args.given.keys():
        raise SlackError("no_text")
    if len(call.args.text("text")) > UPDATED_TEXT:
        raise SlackError("msg_too_long")
    blocks = _blocks(call)
    if blocks is None and "text" not in call.args:
        blocks = message.blocks
    text = call.args.text("text", message.text)
    if not (text or blocks or message.attachments or "attachments" in call.args):
        raise SlackError("no_text")
    changed = replace(
        message,
        text=text,
        blocks=blocks or None,
        attachments=_attachments(call) if "attachments" in call.args else message.attachments,
        metadata=_metadata(call) if "metadata" in call.args else message.metadata,
        # Slack marks a message as edited only where its text is shown.
        edited=message.edited if blocks else call.workspace.next_ts(),
    )
    shape = call.shapes.message(call.workspace.messages.save(changed))
    call.emit(
        message_event(
            channel, {"type": "message", "subtype": "message_changed", "message": shape, "ts": message.ts}
        )
    )
    return {"channel": channel.id, "ts": message.ts, "text": text, "message": shape}


@method("chat.delete", "chat:write")
def delete(call: MethodCall) -> Json:
    """Remove one of the app's own messages."""
    channel = call.channel()
    message = _own_message(call, channel, "cant_delete_message")
    call.workspace.messages.delete(message)
    call.emit(deleted_event(channel, message.ts, call.workspace.next_ts()))
    return {"channel": channel.id, "ts": message.ts}


@method("chat.getPermalink")
def get_permalink(call: MethodCall) -> Json:
    """Return a link to a message."""
    channel = call.channel()
    ts = call.args.required("message_ts")
    message = call.workspace.messages.get(channel.id, ts)
    if message is None or message.ephemeral:
        raise SlackError("message_not_found")
    link = f"{call.origin}/archives/{channel.id}/p{ts.replace('.', '')}"
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


@method("reactions.add", "reactions:write")
def reactions_add(call: MethodCall) -> Json:
    """React to a message."""
    channel = call.channel()
    name = call.args.required("name").strip(":")
    message = call.workspace.messages.get(channel.id, call.args.required("timestamp"))
    if message is None or message.ephemeral:
        raise SlackError("message_not_found")
    if not call.workspace.messages.react(message, name, call.bot):
        raise SlackError("already_reacted")
    return {}


def _content(call: MethodCall) -> Json:
    blocks = call.args.json("blocks", SlackError("invalid_blocks_format"))
    return read_content(call.args.text("text"), blocks, _attachments(call))


def _blocks(call: MethodCall) -> list[Json] | None:
    blocks = call.args.json("blocks", SlackError("invalid_blocks_format"))
    return None if blocks is None else checked_blocks(blocks)


def _attachments(call: MethodCall) -> list[Json] | None:
    found: list[Json] | None = call.args.json("attachments", SlackError("invalid_attachments"))
    return found


def _metadata(call: MethodCall) -> Json | None:
    metadata = call.args.json("metadata", SlackError("invalid_metadata_format"))
    if not metadata:
        return None
    if not isinstance(metadata, dict) or metadata.keys() != {"event_type", "event_payload"}:
        raise SlackError("invalid_metadata_format")
    if not (isinstance(metadata["event_type"], str) and metadata["event_type"]):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata["event_payload"], dict):
        raise SlackError("invalid_metadata_format")
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > METADATA_BYTES:
        raise SlackError("metadata_too_large")
    return metadata


def _addressed(call: MethodCall) -> Channel:
    """Return the channel named by ID, by name, or (a direct message) by the person's ID."""
    wanted = call.args.text("channel")
    if not wanted:
        raise SlackError("channel_not_found")
    person = call.workspace.people.get(wanted)
    if person is not None and not person.is_bot:
        return call.workspace.channels.open_im(person.id, call.bot)[0]
    if named := call.workspace.channels.named(wanted):
        wanted = named.id
    channel = call.workspace.channels.get(wanted)
    if channel is None or (channel.is_private and not call.is_member(channel)):
        raise SlackError("channel_not_found")
    if channel.is_archived:
        raise SlackError("is_archived")
    return channel


def _thread_ts(call: MethodCall, channel: Channel) -> str | None:
    """Return the ts of the parent, also when `thread_ts` names a reply; None, as at Slack, when it names nothing."""
    if not (wanted := call.args.text("thread_ts")):
        return None
    parent = call.workspace.messages.get(channel.id, wanted)
    if parent is None or parent.ephemeral:
        return None
    return parent.thread_ts or parent.ts


def _username(call: MethodCall) -> str | None:
    if "username" not in call.args:
        return None
    call.needs("chat:write.customize")
    return call.args.text("username")


def _own_message(call: MethodCall, channel: Channel, refusal: str) -> Message:
    message = call.workspace.messages.get(channel.id, call.args.required("ts"))
    if message is None or message.ephemeral:
        raise SlackError("message_not_found")
    if message.author != call.bot:
        raise SlackError(refusal)
    return message
