"""files.*: uploading a file in three steps, and sharing it."""

import mimetypes
from typing import Any

from bot.simulator.errors import SlackError, bad_arguments
from bot.simulator.slack_api import uploads
from bot.simulator.slack_api.message_events import message_event
from bot.simulator.slack_api.methods.table import Json, MethodCall, method
from bot.simulator.workspace.messages import Message


@method("files.getUploadURLExternal", "files:write")
def get_upload_url_external(call: MethodCall) -> Json:
    """Return the address to which a file of that length is to be sent."""
    name = call.args.required("filename")
    try:
        length = int(call.args.required("length"))
    except ValueError:
        raise bad_arguments("length must be a number") from None
    if length < 1:
        raise SlackError("missing_argument")
    if length > uploads.MOST:
        raise SlackError("file_upload_size_restricted")
    file_id, secret = call.workspace.files.announce(name, length)
    return {"upload_url": f"{call.origin}{uploads.PATH.format(secret=secret)}", "file_id": file_id}


@method("files.completeUploadExternal", "files:write")
def complete_upload_external(call: MethodCall) -> Json:
    """Share uploaded files in one message, in a channel or in one of its threads."""
    given = call.args.json("files", bad_arguments("files must be an array"))
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) for one in given):
        raise bad_arguments("files must be an array")
    shared = [_shape(call, one) for one in given]
    if "channel_id" in call.args:
        _share(call, shared)
    return {"files": [{"id": one["id"], "title": one["title"]} for one in shared]}


def _share(call: MethodCall, shared: list[Json]) -> None:
    channel = call.workspace.channels.get(call.args.text("channel_id"))
    if channel is None or (channel.is_private and not call.is_member(channel)):
        raise SlackError("invalid_channel")
    if not call.is_member(channel):
        raise SlackError("not_in_channel")  # chat:write.public is only for messages
    thread = call.args.text("thread_ts") or None
    if thread is not None and call.workspace.messages.get(channel.id, thread) is None:
        raise bad_arguments("thread_ts names no message")
    posted = call.workspace.messages.post(
        Message(
            channel=channel.id,
            author=call.bot,
            bot=True,
            text=call.args.text("initial_comment"),
            files=shared,
            thread_ts=thread,
        )
    )
    call.emit(message_event(channel, call.shapes.message(posted)))


def _shape(call: MethodCall, given: dict[str, Any]) -> Json:
    found = call.workspace.files.get(str(given.get("id", "")))
    if found is None or found.data is None:
        raise SlackError("file_not_found")
    address = f"{call.origin}{uploads.SHOWN.format(id=found.id)}"
    return {
        "id": found.id,
        "name": found.name,
        "title": str(given.get("title") or found.name),
        "mimetype": mimetypes.guess_type(found.name)[0] or "application/octet-stream",
        "size": found.length,
        "user": call.bot,
        "url_private": address,
        "url_private_download": address,
    }
