"""`/sim/phone`: a person's phone, for the page and for tests without a page."""

from typing import Any

from aiohttp import web

from bot.simulator.control.page_requests import find_person, read_as
from bot.simulator.errors import SimulatorError
from bot.simulator.sms.carrier import Carrier
from bot.simulator.workspace.people import People
from bot.simulator.workspace.seed import Member
from bot.simulator.workspace.texts import TextMessage, Texts

Json = dict[str, Any]


class PhoneApi:
    """Serves /sim/phone for a workspace with an account. Every refusal is a SimulatorError."""

    def __init__(self, people: People, texts: Texts, carrier: Carrier) -> None:
        self._people = people
        self._texts = texts
        self._carrier = carrier

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/sim/phone", self.phone),
            web.post("/sim/phone/reply", self.reply),
            web.post("/sim/phone/read", self.read),
            web.post("/sim/phone/redeliver", self.redeliver),
        ]

    async def phone(self, request: web.Request) -> web.Response:
        """Return what a person's phone shows."""
        me = find_person(self._people, request.query.get("as"))
        number = self._number(me)
        return web.json_response(
            {
                "ok": True,
                "number": number,
                "peer": self._carrier.peer(number),
                "messages": [_shape(text) for text in self._texts.on_phone(number)],
                "opted_out": self._texts.has_opted_out(number),
                "unread": self._texts.unread().get(me.id, 0),
            }
        )

    async def reply(self, request: web.Request) -> web.Response:
        """Send a text from a phone. The response comes when the app has answered, or has failed to answer."""
        body, me = await read_as(request, self._people)
        words = str(body.get("text") or "").strip()
        if not words:
            raise SimulatorError("There is nothing to send.")
        text = await self._carrier.receive(self._number(me), words)
        return web.json_response({"ok": True, "message": _shape(text)})

    async def read(self, request: web.Request) -> web.Response:
        """Mark everything on a phone as read."""
        _, me = await read_as(request, self._people)
        self._texts.mark_read(me.id)
        return web.json_response({"ok": True})

    async def redeliver(self, request: web.Request) -> web.Response:
        """Deliver the last text of a phone to the app once more, as the same message."""
        _, me = await read_as(request, self._people)
        text = self._texts.last_sent_by(self._number(me))
        if text is None:
            raise SimulatorError(f"{me.real_name} has sent no text yet.")
        return web.json_response({"ok": True, "message": _shape(await self._carrier.redeliver(text))})

    def _number(self, person: Member) -> str:
        number = self._texts.number_of(person.id)
        if number is None:
            raise SimulatorError(f"{person.real_name} has no phone.")
        return number


def _shape(text: TextMessage) -> Json:
    """Return a text as its phone shows it. A text that could not be delivered is shown without its body."""
    arrived = text.inbound or text.status == "delivered"
    return {
        "id": text.sid,
        "direction": "out" if text.inbound else "in",
        "with": text.recipient if text.inbound else text.sender,
        "body": text.body if arrived else "",
        "at": text.created if text.inbound else text.updated,
        "status": text.status,
        "error": text.error_code,
    }
