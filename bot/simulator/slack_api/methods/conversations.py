"""conversations.*: channels, their members and their history."""

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.methods.table import Json, MethodCall, method, paged
from bot.simulator.workspace.channels import Channel
from bot.simulator.workspace.messages import Message

_READ = ("channels:read", "groups:read", "im:read", "mpim:read")
_FAMILY = {"public_channel": "channels", "private_channel": "groups", "im": "im"}


@method("conversations.open", "im:write")
def conversations_open(call: MethodCall) -> Json:
    """Open the direct message with one person."""
    if "channel" in call.args:
        channel, was_open = call.channel(), True
    else:
        users = [user for user in call.args.text("users").split(",") if user]
        if len(users) != 1:
            raise SlackError("not_enough_users" if not users else "too_many_users")
        person = call.workspace.people.get(users[0])
        if person is None:
            raise SlackError("user_not_found")
        if person.is_bot:
            raise SlackError("cannot_dm_bot")
        if person.is_deactivated:
            raise SlackError("user_disabled")
        channel, was_open = call.workspace.channels.open_im(person.id, call.bot)
    short = call.shapes.channel(channel) if call.args.flag("return_im") else {"id": channel.id}
    return ({"no_op": True, "already_open": True} if was_open else {}) | {"channel": short}


@method("conversations.info", *_READ)
def conversations_info(call: MethodCall) -> Json:
    """Describe one channel."""
    channel = call.channel()
    call.needs(f"{_FAMILY[channel.kind]}:read")
    return {"channel": call.shapes.channel(channel, num_members=call.args.flag("include_num_members"))}


@method("conversations.list", *_READ)
def conversations_list(call: MethodCall) -> Json:
    """List the channels the bot can see, of the types asked for."""
    types = {kind.strip() for kind in call.args.text("types", "public_channel").split(",")}
    if not types <= {"public_channel", "private_channel", "mpim", "im"}:
        raise SlackError("invalid_types")
    for kind in sorted(types & _FAMILY.keys()):
        call.needs(f"{_FAMILY[kind]}:read")
    seen = [channel for channel in call.workspace.channels.visible_to(call.bot) if channel.kind in types]
    page, following = call.page(seen, default=100, at_most=999)
    return {
        "channels": [call.shapes.channel(channel, num_members=True) for channel in page],
        **paged(following),
    }


@method("conversations.members", *_READ)
def conversations_members(call: MethodCall) -> Json:
    """List who is in a channel."""
    members = call.workspace.channels.members(call.channel().id)
    page, following = call.page(members, default=100, at_most=999)
    return {"members": page, **paged(following)}


@method("conversations.join", "channels:join")
def conversations_join(call: MethodCall) -> Json:
    """Let the bot join a public channel."""
    channel = call.channel()
    if channel.kind != "public_channel":
        raise SlackError("method_not_supported_for_channel_type")
    if channel.is_archived:
        raise SlackError("is_archived")
    if call.workspace.channels.join(channel.id, call.bot):
        return {"channel": call.shapes.channel(channel)}
    return {
        "channel": call.shapes.channel(channel),
        "warning": "already_in_channel",
        "response_metadata": {"warnings": ["already_in_channel"]},
    }


@method("conversations.history", "channels:history", "groups:history", "im:history")
def conversations_history(call: MethodCall) -> Json:
    """Return the messages of a channel, newest first; of thread replies only those that were broadcast."""
    channel = _readable(call)
    messages = _within(call, call.workspace.messages.in_channel(channel.id))
    page, following = call.page(messages[::-1], default=100, at_most=999)
    return {
        "messages": _shapes(call, page),
        "has_more": bool(following),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
        **(paged(following) if following else {}),
    }


@method("conversations.replies", "channels:history", "groups:history", "im:history")
def conversations_replies(call: MethodCall) -> Json:
    """Return a message and the replies to it, oldest first; the parent opens every page, as at Slack."""
    channel = _readable(call)
    thread_ts = call.args.required("ts")
    found = call.workspace.messages.get(channel.id, thread_ts)
    if found is None or found.ephemeral:
        raise SlackError("thread_not_found")
    parent, *replies = call.workspace.messages.in_thread(channel.id, found.thread_ts or thread_ts)
    if found.thread_ts is not None:
        return {"messages": _shapes(call, [found]), "has_more": False}
    page, following = call.page(_within(call, replies), default=999, at_most=999)
    return {
        "messages": _shapes(call, [parent, *page]),
        "has_more": bool(following),
        **(paged(following) if following else {}),
    }


def _readable(call: MethodCall) -> Channel:
    """Return the channel whose history is asked for; raises `missing_scope` or `not_in_channel`."""
    channel = call.channel()
    call.needs(f"{_FAMILY[channel.kind]}:history")
    if not call.is_member(channel):
        raise SlackError("not_in_channel")
    return channel


def _within(call: MethodCall, messages: list[Message]) -> list[Message]:
    oldest, latest = call.args.text("oldest", "0"), call.args.text("latest")
    for name, bound in (("oldest", oldest), ("latest", latest or "0")):
        if not bound.replace(".", "", 1).isdigit():
            raise SlackError(f"invalid_ts_{name}")
    # A bound may lack its fraction, so bounds are compared as numbers.
    low, high = float(oldest), float(latest) if latest else float("inf")
    if call.args.flag("inclusive"):
        return [message for message in messages if low <= float(message.ts) <= high]
    return [message for message in messages if low < float(message.ts) < high]


def _shapes(call: MethodCall, messages: list[Message]) -> list[Json]:
    with_metadata = call.args.flag("include_all_metadata")
    return [call.shapes.message(message, with_metadata=with_metadata) for message in messages]
