"""The demo's order system, to which an approved purchase is sent. It takes each order once.

It stands for the systems that a real policy names. Orders are kept in a file. The port is kept too, because an open
request keeps the address that it was asked with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel

HOST: Final = "127.0.0.1"
KEY: Final = "Idempotency-Key"
FIRST: Final = 1001


class Order(BaseModel):
    """One placed order."""

    number: str
    title: str
    amount: str | None
    vendor: str | None


class Book(BaseModel):
    """The content of the file: the `port`, once chosen, and the orders by idempotency key."""

    port: int = 0
    orders: dict[str, Order] = {}


class OrderSystem:
    """Answers `POST /orders` with a line for people, and `GET /orders` with what was placed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._book = Book.model_validate_json(file.read_text()) if file.exists() else Book()

    @property
    def url(self) -> str:
        """Its address, once it is served."""
        return f"http://{HOST}:{self._book.port}"

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Serves until the context is left: on the last run's port, or on another when that one is taken."""
        application = web.Application()
        application.router.add_post("/orders", self._place)
        application.router.add_get("/orders", self._list)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, HOST, self._book.port).start()
            except OSError:
                await web.TCPSite(runner, HOST, 0).start()
            self._book.port = runner.addresses[0][1]
            self._keep()
            yield
        finally:
            await runner.cleanup()

    async def _place(self, request: web.Request) -> web.Response:
        """The same key gives the same order, however often it is sent."""
        key = request.headers.get(KEY)
        if key is None:
            return web.json_response({"message": f"{KEY} is missing"}, status=400)
        order = self._book.orders.get(key)
        if order is None:
            order = self._book.orders[key] = _ordered(await request.json(), FIRST + len(self._book.orders))
            self._keep()
        return web.json_response({"id": order.number, "message": f"Order {order.number} placed"})

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response([order.model_dump() for order in self._book.orders.values()])

    def _keep(self) -> None:
        self._file.write_text(self._book.model_dump_json(indent=1))


def _ordered(event: dict[str, Any], number: int) -> Order:
    asked = event["data"]["request"]
    amount = f"{asked['amount']} {asked['currency']}" if asked["amount"] is not None else None
    return Order(
        number=f"PO-{number}", title=asked["title"], amount=amount, vendor=asked["fields"].get("vendor")
    )
