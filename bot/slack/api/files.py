"""Shares files in threads, in Slack's three steps: get an upload address, upload, complete the upload."""

from __future__ import annotations

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackRequestError

from bot.slack.api.codes import NO_UPLOADS
from bot.slack.api.errors import as_delivery_errors, code_of
from bot.slack.api.history import Found, History
from bot.slack.api.own_account import OwnAccount
from orchestration.domain.errors import DeliveryError, TryFailedError
from orchestration.domain.request import CardRef


class SlackFiles:
    """Shares files over the Web API. Safe to share between threads."""

    def __init__(self, client: WebClient) -> None:
        self._client = client
        self._history = History(client, OwnAccount(client))

    def share(self, ref: CardRef, name: str, title: str, data: bytes) -> None:
        """Shows the file in the thread under the message at `ref`. Raises as the ports say."""
        with as_delivery_errors():
            try:
                self._client.files_upload_v2(
                    file=data, filename=name, title=title, channel=ref.channel, thread_ts=ref.ts
                )
            except SlackRequestError as error:  # the address for the upload did not take it
                raise TryFailedError("Slack did not take the file.", maybe_done=False) from error
            except SlackApiError as error:
                if (remedy := NO_UPLOADS.get(code_of(error))) is None:
                    raise
                raise DeliveryError(f"{remedy} ({code_of(error)}).") from error

    def is_shared(self, ref: CardRef, title: str) -> bool:
        """Whether this app has shared a file of that title there; False also where it may not look."""

        def has_it(message: Found) -> bool:
            return any(file.get("title") == title for file in message.get("files") or ())

        return self._history.in_thread(ref.channel, ref.ts, has_it) is not None
