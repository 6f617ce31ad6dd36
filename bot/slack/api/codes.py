"""What each of Slack's error codes means for our calls, and how to mend its cause. No other module names codes.

The codes are those that Slack publishes for the methods that are called; a test holds them against its list.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Meaning(StrEnum):
    """What to do after a refusal."""

    NEVER = "never"  # this call will never succeed
    TOKEN = "token"  # nothing was done; mend the app, its token or the workspace's settings first  # noqa: S105
    WAIT = "wait"  # nothing was done: there were too many calls
    AGAIN = "again"  # an error inside Slack: the call may have taken effect


@dataclass(frozen=True)
class SlackRefusal:
    """A code's meaning, and what is wrong and how to mend it, as a sentence without its end."""

    meaning: Meaning
    remedy: str


_MESSAGE: Final = "Slack refused the message"
_FILES: Final = "Slack refused a file that the message names"
_UPLOAD: Final = "Slack does not take the file"
_SCOPE: Final = "the app's administrators or Slack's plan forbid the call: see the workspace's settings"
_CALL: Final = "Slack does not take the call as it was made, which is a fault of Countersign"
_OURS: Final = "Slack had trouble of its own"

_NEVER: Final = {
    "channel_not_found": "Slack knows no such channel, or the app is not in it: invite the app, or mend the policy",
    "not_in_channel": "the app is not in that channel: invite it",
    "is_archived": "the channel is archived",
    "is_inactive": "the channel is archived",
    "channel_is_limited_access": "the app may not see that channel",
    "method_not_supported_for_channel_type": "Slack does not allow that in this kind of channel",
    "restricted_action": "the workspace does not let the app post there",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel takes only threads",
    "restricted_action_non_threadable_channel": "the channel takes no threads",
    "restricted_action_thread_locked": "the thread is locked",
    "posting_to_channel_denied": "the workspace does not let the app post there",
    "send_on_behalf_not_allowed": "the workspace does not let the app post there",
    "user_not_in_channel": "that person is not in the channel",
    "user_not_found": "Slack knows no such person",
    "users_not_found": "Slack knows no such person",
    "user_disabled": "that person's account is deactivated",
    "user_not_visible": "the app may not see that person",
    "user_is_bot": "that person is an app, which reads no messages",
    "is_bot": "that person is an app, which reads no messages",
    "user_is_restricted": "that person is a guest, who may not do that",
    "invalid_user_combination": "Slack opens no direct message with that person",
    "not_enough_users": "Slack opens no direct message with that person",
    "too_many_users": "Slack opens no direct message with so many people",
    "users_list_not_supplied": _CALL,
    "messages_tab_disabled": "the app's Messages tab is switched off: see manifest.yml",
    "not_enabled": "the app's Home tab is switched off: see manifest.yml",
    "no_such_subteam": "Slack knows no such user group",
    "message_not_found": "the message is not there any more",
    "thread_not_found": "the thread is not there any more",
    "cannot_reply_to_message": "that message takes no thread",
    "cant_update_message": "that message cannot be edited",
    "edit_window_closed": "that message cannot be edited any more",
    "cant_delete_message": "that message cannot be deleted",
    "compliance_exports_prevent_deletion": "the workspace's exports keep messages from being deleted",
    "invalid_blocks": "Slack refused the layout of the card",
    "invalid_blocks_format": "Slack refused the layout of the card",
    "block_mismatch": "Slack refused the layout of the card",
    "msg_too_long": "the card is too long for Slack",
    "msg_blocks_too_long": "the card is too long for Slack",
    "view_too_large": "the form is too long for Slack",
    "push_limit_reached": "too many forms lie over each other",
    "metadata_too_large": "Slack refused the card's metadata",
    "invalid_metadata_format": "Slack refused the card's metadata",
    "invalid_metadata_schema": "Slack refused the card's metadata",
    "invalid_metadata_filter_keys": "Slack refused the metadata that was looked for",
    "metadata_must_be_sent_from_app": "Slack takes a card's metadata from an app's own token only",
    # Forms: a press can open one form, within three seconds.
    "expired_trigger_id": "the form came too late",
    "exchanged_trigger_id": "the form was opened already",
    "invalid_trigger_id": "the form cannot be opened from there",
    "hash_conflict": "the form was changed meanwhile",
    "not_found": "the form is not there any more",
    "duplicate_external_id": "the form is there already",
    "missing_profile_id": _CALL,
    # Slack documents this code for other methods only, but returns it for these too.
    "invalid_arguments": _MESSAGE,
    **dict.fromkeys(
        (
            "as_user_not_supported", "attachment_payload_limit_exceeded", "cant_broadcast_message",
            "draft_already_deleted", "draft_already_sent", "draft_has_conflict", "draft_not_found",
            "duplicate_channel_not_found", "duplicate_message_not_found", "invalid_attachments",
            "markdown_text_conflict", "no_dual_broadcast_content_update", "no_text", "too_many_attachments",
            "too_many_contact_cards",
        ),
        _MESSAGE,
    ),
    **dict.fromkeys(
        (
            "blocked_file_type", "file_deleted", "file_is_deleted", "file_not_found", "file_share_limit_reached",
            "max_file_sharing_exceeded", "missing_file_data", "slack_connect_blocked_file_type",
            "slack_connect_canvas_sharing_blocked", "slack_connect_clip_sharing_blocked",
            "slack_connect_file_link_sharing_blocked", "slack_connect_file_upload_sharing_blocked",
            "slack_connect_lists_sharing_blocked", "unable_to_share_files",
        ),
        _FILES,
    ),
    "invalid_channel": "Slack knows no such channel, or the app is not in it: invite the app, or mend the policy",
    "storage_limit_reached": "the workspace has no room for files: delete some, or choose a larger plan",
    "file_uploads_disabled": "the workspace's administrators forbid files",
    "file_uploads_except_images_disabled": "the workspace's administrators forbid files that are no images",
    "file_upload_size_restricted": "the workspace's administrators forbid files of that size",
    "file_type_not_allowed": "the workspace's administrators forbid files of that type",
    **dict.fromkeys(
        (
            "alt_txt_too_large", "file_update_failed", "snippet_too_large", "unknown_snippet_type", "unknown_subtype",
        ),
        _UPLOAD,
    ),
    **dict.fromkeys(
        (
            "deprecated_endpoint", "insecure_request", "invalid_arg_name", "invalid_array_arg", "invalid_charset",
            "invalid_cursor", "invalid_form_data", "invalid_json", "invalid_post_type", "invalid_ts_latest",
            "invalid_ts_oldest", "json_not_object", "method_deprecated", "missing_args", "missing_argument",
            "missing_charset", "missing_post_type", "not_implemented", "superfluous_charset", "unknown_method",
        ),
        _CALL,
    ),
}  # fmt: skip
_TOKEN: Final = {
    "invalid_auth": "Slack does not accept the bot's token: set SLACK_BOT_TOKEN anew",
    "not_authed": "no token reached Slack: set SLACK_BOT_TOKEN",
    "token_revoked": "the bot's token was revoked: install the app again, and set SLACK_BOT_TOKEN anew",
    "token_expired": "the bot's token has expired: set SLACK_BOT_TOKEN anew",
    "account_inactive": "the app was removed from the workspace: install it again, and set SLACK_BOT_TOKEN anew",
    "missing_scope": "the app lacks a scope: install it again with the scopes of manifest.yml",
    "not_allowed_token_type": "SLACK_BOT_TOKEN is no bot token (xoxb-)",
    "no_permission": "the app lacks a permission: install it again with the scopes of manifest.yml",
    "accesslimited": "Slack takes no calls of this app from this network",
    "ekm_access_denied": "the workspace's administrators have suspended messages",
    **dict.fromkeys(
        (
            "access_denied", "app_access_restricted", "enterprise_is_restricted", "forbidden_team", "invalid_team",
            "org_login_required", "plan_upgrade_required", "team_not_found", "two_factor_setup_required",
            "upgrade_require", "upgrade_required",
        ),
        _SCOPE,
    ),
}  # fmt: skip
_WAIT: Final = {
    "ratelimited": "Slack asks us to wait",
    "rate_limited": "Slack asks us to wait",
    "message_limit_exceeded": "the workspace sends too many messages",
}
_AGAIN: Final = dict.fromkeys(
    (
        "external_channel_migrating", "fatal_error", "internal_error", "list_record_comment_fetch_failed",
        "request_timeout", "service_unavailable", "streaming_state_conflict", "team_added_to_org", "update_failed",
    ),
    _OURS,
)  # fmt: skip


def _refusals(meaning: Meaning, remedies: Mapping[str, str]) -> Iterable[tuple[str, SlackRefusal]]:
    return ((code, SlackRefusal(meaning, remedy)) for code, remedy in remedies.items())


REFUSALS: Final[Mapping[str, SlackRefusal]] = dict(
    [
        *_refusals(Meaning.NEVER, _NEVER),
        *_refusals(Meaning.TOKEN, _TOKEN),
        *_refusals(Meaning.WAIT, _WAIT),
        *_refusals(Meaning.AGAIN, _AGAIN),
    ]
)

# The token is not valid for any call.
DEAD_TOKEN: Final = frozenset(
    {"invalid_auth", "not_authed", "token_revoked", "token_expired", "account_inactive"}
)
# With this token the app cannot work at all, whatever is changed in the workspace.
UNFIT_TOKEN: Final = DEAD_TOKEN | {"not_allowed_token_type", "missing_scope", "no_permission"}
# The message is deleted, or can no longer be changed, so an edit of it is given up.
GONE: Final = frozenset(
    {
        "message_not_found",
        "cant_update_message",
        "cant_delete_message",
        "edit_window_closed",
        "is_archived",
        "is_inactive",
        "thread_not_found",
        "cannot_reply_to_message",
    }
)
# The app may not read the channel. The message may then be posted twice, which is better than not at all.
BLIND: Final = frozenset({"missing_scope", "not_in_channel", "channel_not_found", "not_allowed_token_type"})
# The app may not upload files there. The upload is not tried again: the card says where the file is.
NO_UPLOADS: Final = {
    "missing_scope": "the app may not upload files: install it again with the scopes of manifest.yml",
    "no_permission": "the app has to be in the channel to show a file there: invite it",
}
NOT_A_MEMBER: Final = frozenset({"not_in_channel"})
NO_THREAD: Final = "thread_not_found"
# The answers of users.info for an ID that belongs to nobody, or to somebody whom the app may not see.
NOBODY: Final = frozenset({"user_not_found", "users_not_found", "user_not_visible", "user_disabled"})
# The press can no longer open a form: it is too old, or has opened one already.
EXPIRED: Final = frozenset({"expired_trigger_id", "exchanged_trigger_id"})
# The form has been redrawn since, or was closed, so this update is not needed.
REDRAWN: Final = frozenset({"hash_conflict", "not_found"})
