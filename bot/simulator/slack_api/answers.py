"""What the app answers to a command or an interaction, in the acknowledgement or by response URL."""

from dataclasses import replace
from typing import Any

from aiohttp import web

from bot.simulator.errors import SlackError
from bot.simulator.slack_api.message_content import read_content
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.response_urls import ResponseUrl
from bot.simulator.workspace.workspace import Workspace

Json = dict[str, Any]

PATH = "/response/{secret}"


class Answers:
    """Posts answers: to the person alone, into the channel, or in place of the original message."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def put(self, answer: Json | str, where: ResponseUrl) -> None:
        """Post an answer; raises SlackError when its content is refused."""
        body: Json = {"text": answer} if isinstance(answer, str) else answer
        original = self._original(where)
        if body.get("delete_original") and original is not None:
            self._workspace.messages.delete(original)
            return
        content = read_content(str(body.get("text") or ""), body.get("blocks"), body.get("attachments"))
        if body.get("replace_original") and original is not None:
            self._workspace.messages.save(replace(original, **content))
            return
        thread_ts = body.get("thread_ts") or (original.thread_ts if original else None)
        self._workspace.messages.post(
            Message(
                channel=where.channel,
                author=self._workspace.people.app().id,
                bot=True,
                thread_ts=thread_ts,
                ephemeral_to=None if body.get("response_type") == "in_channel" else where.person,
                **content,
            )
        )

    async def handle(self, request: web.Request) -> web.Response:
        """Serve a response URL: answers "ok", or Slack's error code."""
        where = self._workspace.response_urls.use(request.match_info["secret"], self._workspace.now())
        if isinstance(where, str):
            return web.Response(text=where, status=404)
        try:
            body = await request.json()
        except ValueError:
            return web.Response(text="invalid_payload", status=400)
        if not isinstance(body, dict):
            return web.Response(text="invalid_payload", status=400)
        try:
            self.put(body, where)
        except SlackError as error:
            return web.Response(text=error.code, status=400)
        return web.Response(text="ok")

    def _original(self, where: ResponseUrl) -> Message | None:
        return self._workspace.messages.get(where.channel, where.message_ts) if where.message_ts else None
