"""`/sim/…`: the JSON API by which the page, and tests without a page, act as a person and see what that person sees."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

from aiohttp import web

from bot.simulator.control.controls import Controls
from bot.simulator.control.page_requests import find_person, read_as, read_object
from bot.simulator.control.page_shapes import PageShapes
from bot.simulator.errors import SimulatorError
from bot.simulator.faults import CallLog
from bot.simulator.slack_api.installation import Installation
from bot.simulator.slack_api.user_actions import InvalidInputsError, UserActions
from bot.simulator.workspace.changes import Change
from bot.simulator.workspace.channels import Channel, Unread
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.seed import Member
from bot.simulator.workspace.views import View

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Unavailable(SimulatorError):  # noqa: N818 — it names a state, and not somebody's error
    """No supervisor is attached that could do this."""


@web.middleware
async def sentences(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every refusal under /sim into ``{"ok": false, "error": sentence}`` with a fitting status."""
    try:
        return await handler(request)
    except InvalidInputsError as error:
        return web.json_response({"ok": False, "error": str(error), "errors": error.errors})
    except Unavailable as error:
        return web.json_response({"ok": False, "error": str(error)}, status=501)
    except SimulatorError as error:
        return web.json_response({"ok": False, "error": str(error)}, status=400)
    except web.HTTPException as error:
        if not request.path.startswith("/sim/") or error.status < 400:
            raise
        return web.json_response({"ok": False, "error": f"{error.reason}."}, status=error.status)


class PageApi:
    """Serves /sim. Without `controls`, requests about time and the app's process are answered 501.

    `calls` are the API calls of the app. `has_phones` says whether people have phones; `has_stories` says whether the
    page can show what the app's work did.
    """

    def __init__(
        self,
        installation: Installation,
        actions: UserActions,
        calls: CallLog,
        controls: Controls | None,
        *,
        has_phones: bool,
        has_stories: bool = False,
    ) -> None:
        self._workspace = installation.workspace
        self._app = installation.app
        self._actions = actions
        self._calls = calls
        self._slack = installation.shapes
        self._shapes = PageShapes(installation.workspace)
        self._controls = controls
        self._has_phones = has_phones
        self._has_stories = has_stories

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/sim/state", self.state),
            web.get("/sim/messages", self.messages),
            web.post("/sim/message", self.message),
            web.delete("/sim/messages/{channel}/{ts}", self.delete_message),
            web.post("/sim/command", self.command),
            web.post("/sim/action", self.action),
            web.post("/sim/view/submit", self.submit),
            web.post("/sim/view/close", self.close),
            web.post("/sim/read", self.read),
            web.get("/sim/home", self.home),
            web.post("/sim/home/open", self.open_home),
            web.get("/sim/calls", self.calls),
            web.post("/sim/clock/advance", self.advance),
            web.post("/sim/app/kill", self.kill),
            web.post("/sim/app/start", self.start),
        ]

    async def state(self, request: web.Request) -> web.Response:
        """Return everything around the conversation, as one person sees it."""
        me = find_person(self._workspace.people, request.query.get("as"))
        people, controls = self._workspace.people, self._controls
        app = people.app()
        humans = [person.id for person in people.all() if not person.is_bot]
        unread = self._workspace.channels.unread(humans)
        waiting = Counter(self._workspace.texts.unread() if self._has_phones else {})
        for (person_id, _), found in unread.items():
            waiting[person_id] += found.count
        return _ok(
            me=self._shapes.person(me),
            people=[self._shapes.person(person) | {"unread": waiting[person.id]} for person in people.all()],
            groups=[
                {"id": group.id, "handle": group.handle, "name": group.name} for group in people.groups()
            ],
            channels=[
                self._shapes.channel(found, me.id, unread.get((me.id, found.id), Unread()))
                for found in self._workspace.channels.visible_to(me.id)
            ],
            views=[self._slack.view(view, with_state=True) for view in self._workspace.views.stack(me.id)],
            clock={"now": self._workspace.now(), "skippable": controls is not None},
            app={
                "id": app.id,
                "name": app.real_name,
                "connected": self._actions.dispatcher.connected,
                "running": controls.running if controls else None,
                "commands": self._app.shown_commands,
                "takes_messages": self._app.takes_messages,
                "tries": self._app.tries,
            },
            controls=["advance", "next_deadline", "kill", "start"] if controls else [],
            phones=self._has_phones,
            stories=self._has_stories,
            workspace={"name": self._workspace.name},
        )

    async def messages(self, request: web.Request) -> web.Response:
        """Return a channel's messages, or a thread's, as one person sees them."""
        me = find_person(self._workspace.people, request.query.get("as"))
        channel = self._channel(request.query.get("channel"), me)
        if thread_ts := request.query.get("thread_ts"):
            found = self._workspace.messages.in_thread(channel.id, thread_ts, me.id)
        else:
            found = self._workspace.messages.in_channel(channel.id, me.id)
        return _ok(messages=self._shapes.messages(channel.id, found))

    async def message(self, request: web.Request) -> web.Response:
        """Post a message."""
        body, me = await read_as(request, self._workspace.people)
        channel = self._channel(body.get("channel"), me)
        said = self._actions.say(me, channel, str(body.get("text") or ""), body.get("thread_ts"))
        return _ok(message=self._shapes.messages(channel.id, [said])[0])

    async def delete_message(self, request: web.Request) -> web.Response:
        """Remove a message."""
        self._actions.delete(self._message(request.match_info["channel"], request.match_info["ts"]))
        return _ok()

    async def command(self, request: web.Request) -> web.Response:
        """Run a slash command."""
        body, me = await read_as(request, self._workspace.people)
        await self._actions.command(me, self._channel(body.get("channel"), me), str(body.get("text") or ""))
        return _ok()

    async def action(self, request: web.Request) -> web.Response:
        """Act on an element of a message or of a view; with `twice`, act twice at the same time."""
        body, me = await read_as(request, self._workspace.people)
        body["state"] = _object(body, "state")
        action_id = str(body.get("action_id") or "")
        if body.get("view_id"):
            view = self._view(body)
            press = partial(self._actions.act_in_view, me, view, action_id, body)
        else:
            message = self._message(self._channel(body.get("channel"), me).id, body.get("ts"))
            press = partial(self._actions.act_on_message, me, message, action_id, body)
        # Both presses are sent before the first is answered: its answer may remove the button.
        await asyncio.gather(*(press() for _ in range(2 if body.get("twice") is True else 1)))
        return _ok()

    async def submit(self, request: web.Request) -> web.Response:
        """Submit a modal."""
        body, me = await read_as(request, self._workspace.people)
        await self._actions.submit(me, self._view(body), _object(body, "state"))
        return _ok()

    async def close(self, request: web.Request) -> web.Response:
        """Dismiss a modal."""
        body, me = await read_as(request, self._workspace.people)
        await self._actions.close(me, self._view(body))
        return _ok()

    async def read(self, request: web.Request) -> web.Response:
        """Mark a channel as read."""
        body, me = await read_as(request, self._workspace.people)
        self._workspace.channels.mark_read(self._channel(body.get("channel"), me).id, me.id)
        return _ok()

    async def home(self, request: web.Request) -> web.Response:
        """Return a person's Home tab."""
        view = self._workspace.views.home(find_person(self._workspace.people, request.query.get("as")).id)
        return _ok(view=self._slack.view(view, with_state=True) if view else None)

    async def open_home(self, request: web.Request) -> web.Response:
        """Open the Home tab."""
        _, me = await read_as(request, self._workspace.people)
        self._actions.open_home(me)
        return _ok()

    async def calls(self, request: web.Request) -> web.Response:
        """Return the API calls so far."""
        return _ok(calls=self._calls.of(request.query.get("method")))

    async def advance(self, request: web.Request) -> web.Response:
        """Let time pass: some seconds, or until the next deadline."""
        controls = self._wired()
        body = await read_object(request)
        if body.get("to") == "next_deadline":
            deadline = await controls.next_deadline()
            if deadline is None:
                raise SimulatorError("Nothing waits for a deadline.")
            delta = timedelta(seconds=max(0.0, deadline.timestamp() - self._workspace.now()))
        elif isinstance(body.get("seconds"), int | float):
            delta = timedelta(seconds=body["seconds"])
        else:
            raise SimulatorError("Say how many seconds, or to: next_deadline.")
        now = await controls.advance(delta)
        self._workspace.changes.publish(Change("clock"))
        return _ok(now=now.timestamp())

    async def kill(self, _request: web.Request) -> web.Response:
        """Kill the app."""
        await self._wired().kill()
        self._workspace.changes.publish(Change("app"))
        return _ok()

    async def start(self, _request: web.Request) -> web.Response:
        """Start the app."""
        await self._wired().start()
        self._workspace.changes.publish(Change("app"))
        return _ok()

    def _channel(self, channel_id: Any, viewer: Member) -> Channel:
        for channel in self._workspace.channels.visible_to(viewer.id):
            if channel.id == channel_id:
                return channel
        raise SimulatorError(f"{viewer.real_name} sees no channel {channel_id!r}.")

    def _message(self, channel_id: str, ts: Any) -> Message:
        message = self._workspace.messages.get(channel_id, str(ts))
        if message is None:
            raise SimulatorError("That message is gone.")
        return message

    def _view(self, body: Json) -> View:
        view = self._workspace.views.get(str(body.get("view_id")))
        if view is None:
            raise SimulatorError("That view is no longer open.")
        return view

    def _wired(self) -> Controls:
        if self._controls is None:
            raise Unavailable("This workspace runs without a supervisor, so there is nothing to control.")
        return self._controls


def _object(body: Json, key: str) -> Json:
    value = body.get(key) or {}
    if not (isinstance(value, dict) and all(isinstance(held, dict) for held in value.values())):
        raise SimulatorError(f"{key} is not an object of objects, by block_id and action_id.")
    return value


def _ok(**fields: Any) -> web.Response:
    return web.json_response({"ok": True, **fields})
