"""Carries texts from the API to a phone, and from a phone to the app."""

import asyncio
import uuid
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

from bot.simulator.errors import SimulatorError
from bot.simulator.sms import twiml
from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.keywords import STANDARD_REPLIES, keyword
from bot.simulator.sms.segments import count_segments
from bot.simulator.sms.webhooks import Form, Webhooks
from bot.simulator.workspace.texts import TextMessage, Texts

API_VERSION = "2010-04-01"
# The first status has no callback, and "sending" is over too quickly for one.
# Source: https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks
_AHEAD = {"accepted": ("queued", "sent"), "queued": ("sent",), "sent": ()}
# Only these statuses come from the carrier's delivery receipt.
_RECEIPTED = frozenset({"delivered", "undelivered"})
_PLACES = ("City", "State", "Zip")


class Carrier:
    """Moves texts from status to status, `status_delay` seconds apart, and reports to the app by webhooks.

    `inbound_url` may change at any time. While it is None, texts from people are kept, but not sent to any app.
    """

    def __init__(self, texts: Texts, account: SmsAccount, webhooks: Webhooks, status_delay: float) -> None:
        self.inbound_url = account.inbound_url
        self._texts = texts
        self._account = account
        self._webhooks = webhooks
        self._status_delay = status_delay
        self._under_way: set[asyncio.Task[Any]] = set()

    def resume(self) -> None:
        """Continue the texts that were unfinished when the last run ended."""
        for text in self._texts.under_way():
            self._spawn(self._hand_over(text) if text.inbound else self._carry(text))

    def send(self, text: TextMessage) -> TextMessage:
        """Accept a text from the API, start its delivery, and return it as stored."""
        taken = self._texts.add(text)
        if taken.outcome.end_status != "dropped":
            self._spawn(self._carry(taken))
        return taken

    def peer(self, number: str) -> str:
        """Return the account's number that a phone writes to: the one that wrote to it last, else the first."""
        written = [
            text.sender for text in self._texts.on_phone(number) if text.sender in self._account.numbers
        ]
        return written[-1] if written else self._account.numbers[0]

    async def receive(self, number: str, body: str) -> TextMessage:
        """Take a text from a phone, and return it when the app has answered or all attempts have failed.

        Keywords like STOP take effect and are answered first.
        The text ends as "received", or "failed" when no attempt was accepted or the answer is not valid.
        """
        text = self._texts.add(TextMessage("inbound", number, self.peer(number), body, status="receiving"))
        self._obey_keyword(text)
        return await self.redeliver(text)

    async def redeliver(self, text: TextMessage) -> TextMessage:
        """Deliver a text from a phone to the app again, as Twilio may do, and return it afterwards.

        Raises SimulatorError when the simulator is stopped meanwhile; the next run delivers the rest.
        """
        handing = self._spawn(self._hand_over(text))
        await asyncio.wait([handing])
        if handing.cancelled():
            raise SimulatorError("The simulator is being stopped.")
        handed: TextMessage = handing.result()
        return handed

    async def close(self) -> None:
        """Stop. The next run continues the unfinished texts."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._webhooks.close()

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return task

    # ---- to a phone --------------------------------------------------------------------------------------

    async def _carry(self, text: TextMessage) -> None:
        told: asyncio.Task[Any] | None = None
        steps = _AHEAD[text.status] if text.outcome.end_status != "failed" else ()
        for status in (*steps, text.outcome.end_status):
            await asyncio.sleep(self._status_delay)
            code = text.outcome.end_code if status == text.outcome.end_status else None
            text = self._texts.move(text.sid, status, code)
            if text.callback is not None:
                told = self._spawn(self._call_back(text, text.callback, after=told))

    async def _call_back(self, text: TextMessage, url: str, after: asyncio.Task[Any] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        else:
            await asyncio.sleep(text.outcome.delay)
        form = {
            "AccountSid": self._account.account_sid,
            "ApiVersion": API_VERSION,
            "From": text.sender,
            "MessageSid": text.sid,
            "MessageStatus": text.status,
            "SmsSid": text.sid,
            "SmsStatus": text.status,
            "To": text.recipient,
        }
        if text.service is not None:
            form["MessagingServiceSid"] = text.service
        if text.error_code is not None:
            form["ErrorCode"] = str(text.error_code)
        if text.status in _RECEIPTED:
            form["RawDlrDoneDate"] = datetime.fromtimestamp(text.updated, UTC).strftime("%y%m%d%H%M")
        await self._webhooks.post(url, form, _token(text.sid, text.status))

    # ---- from a phone ------------------------------------------------------------------------------------

    def _obey_keyword(self, text: TextMessage) -> None:
        word = keyword(text.body)
        scope = self._account.sender_scope(text.recipient)
        if word == "STOP":
            is_answered = self._texts.opt_out(text.sender, scope)
        elif word == "START":
            is_answered = self._texts.opt_in(text.sender, scope)
        else:
            is_answered = word == "HELP" and not self._texts.has_opted_out(text.sender, scope)
        if word is not None and is_answered:
            self._answer(text, STANDARD_REPLIES[word])

    async def _hand_over(self, text: TextMessage) -> TextMessage:
        if self.inbound_url is None:
            return self._texts.move(text.sid, "received")
        answer = await self._webhooks.post(self.inbound_url, self._inbound_form(text), _token(text.sid))
        if answer is None:
            return self._texts.move(text.sid, "failed", twiml.NO_ANSWER)
        try:
            replies = twiml.messages(answer.content_type, answer.text)
        except twiml.TwimlError as error:
            return self._texts.move(text.sid, "failed", error.code)
        received = self._texts.move(text.sid, "received")
        if not self._texts.has_opted_out(text.sender, self._account.sender_scope(text.recipient)):
            for reply in replies:
                self._answer(text, reply)
        return received

    def _answer(self, text: TextMessage, body: str) -> None:
        self._texts.add(TextMessage("outbound-reply", text.recipient, text.sender, body, status="delivered"))

    def _inbound_form(self, text: TextMessage) -> Form:
        form = {
            "AccountSid": self._account.account_sid,
            "ApiVersion": API_VERSION,
            "Body": text.body,
            "From": text.sender,
            "MessageSid": text.sid,
            "NumMedia": "0",
            "NumSegments": str(count_segments(text.body)),
            "SmsMessageSid": text.sid,
            "SmsSid": text.sid,
            "SmsStatus": "received",
            "To": text.recipient,
        }
        for end, number in (("From", text.sender), ("To", text.recipient)):
            if (country := self._account.region(number)) is not None:
                form[f"{end}Country"] = country
            # Twilio sends these fields also when they are empty, and signs an empty field like any other.
            form |= {f"{end}{place}": "" for place in _PLACES}
        if self._account.messaging_service_sid is not None:
            form["MessagingServiceSid"] = self._account.messaging_service_sid
        if self._account.advanced_opt_out and (word := keyword(text.body)) is not None:
            form["OptOutType"] = word
        return form


def _token(*names: str) -> str:
    """Return the idempotency token of a request. A repetition has the same token."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "/".join(names)))
