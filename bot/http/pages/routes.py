"""`GET /requests/{id}`: the record, for the person whom its link names."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Final

from aiohttp import web

from bot.http.pages import page
from bot.http.pages.links import KEY, PERSON, RecordLinks
from bot.http.pages.record import read_record
from bot.slack.api.names import Names
from orchestration.domain.errors import HubUnavailableError, UnknownRequestError
from orchestration.service.approvals import ApprovalService
from orchestration.service.operations import Operations

log = logging.getLogger(__name__)

HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src '{page.STYLE_HASH}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    # Anyone who has the address has access. So no site gets it as a referrer, and no cache stores the page.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class RecordRoutes:
    """The page, over the service, the hub's histories and Slack's names."""

    def __init__(
        self, service: ApprovalService, operations: Operations, links: RecordLinks, names: Names
    ) -> None:
        self._service = service
        self._operations = operations
        self._links = links
        self._names = names

    def attach(self, application: web.Application) -> None:
        """Adds the route."""
        application.router.add_get("/requests/{id}", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Shows the record. Without a valid key nothing is looked up, so nobody learns which requests exist."""
        request_id, person = request.match_info["id"], request.query.get(PERSON, "")
        until = self._links.good_until(request_id, person, request.query.get(KEY, ""))
        if until is None:
            return _notice(HTTPStatus.FORBIDDEN, page.GONE_TITLE, page.GONE, page.GONE_NEXT)
        try:
            record = await read_record(self._service, self._operations, request_id)
        except UnknownRequestError:
            return _notice(HTTPStatus.NOT_FOUND, page.UNKNOWN_TITLE, page.UNKNOWN)
        except HubUnavailableError as error:
            log.warning("the record of %s: %s", request_id, error)
            return _notice(HTTPStatus.SERVICE_UNAVAILABLE, page.AWAY_TITLE, page.AWAY)
        names = await self._names.of([*record.named(), person])
        viewer = page.Viewer(person, until, self._links.public_url or "")
        return _html(HTTPStatus.OK, page.record_page(record, names, viewer))


def _notice(status: HTTPStatus, title: str, *sentences: str) -> web.Response:
    return _html(status, page.notice_page(title, *sentences))


def _html(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=HEADERS)
