"""Twilio's API for reading an account: the account itself, its numbers, its short codes, its messaging service."""

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.carrier import API_VERSION, Carrier
from bot.simulator.sms.rest_calls import PREFIX, authenticate, refused
from bot.simulator.sms.rest_errors import RestError

Json = dict[str, Any]
Answer = Callable[[web.Request], Json]

SERVICES = "/v1/Services/{service}"


class AccountApi:
    """Serves the API. As at Twilio, an API key can read everything except the account itself."""

    def __init__(self, account: SmsAccount, carrier: Carrier) -> None:
        self._account = account
        self._carrier = carrier

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            self._get(f"/{API_VERSION}/Accounts/{{account}}.json", self._itself),
            self._get(f"{PREFIX}/IncomingPhoneNumbers.json", self._numbers),
            self._get(f"{PREFIX}/SMS/ShortCodes.json", self._short_codes),
            self._get(SERVICES, self._service),
            self._get(f"{SERVICES}/PhoneNumbers", self._numbers_of_service),
        ]

    def _get(self, path: str, answer: Answer) -> web.RouteDef:
        async def handle(request: web.Request) -> web.Response:
            try:
                authenticate(self._account, request)
                return web.json_response(answer(request))
            except RestError as error:
                return refused(error)

        return web.get(path, handle)

    def _itself(self, request: web.Request) -> Json:
        account = self._account
        if authenticate(account, request) != account.account_sid:
            raise RestError(20003)
        return {
            "sid": account.account_sid,
            "friendly_name": "Acme",
            "status": account.status,
            "type": account.kind,
            "owner_account_sid": account.account_sid,
            "uri": f"/{API_VERSION}/Accounts/{account.account_sid}.json",
        }

    def _numbers(self, request: web.Request) -> Json:
        wanted = request.query.get("PhoneNumber", "")
        found = [one for one in self._account.numbers if one.startswith("+") and wanted in one]
        return _page("incoming_phone_numbers", [self._number(one) for one in found])

    def _short_codes(self, request: web.Request) -> Json:
        wanted = request.query.get("ShortCode", "")
        found = [one for one in self._account.numbers if not one.startswith("+") and wanted in one]
        return _page(
            "short_codes",
            [
                {
                    "sid": _sid("SC", one),
                    "account_sid": self._account.account_sid,
                    "short_code": one,
                    "sms_url": self._carrier.inbound_url,
                    "sms_method": self._account.inbound_method,
                }
                for one in found
            ],
        )

    def _number(self, number: str) -> Json:
        can = number not in self._account.without_sms
        return {
            "sid": _sid("PN", number),
            "account_sid": self._account.account_sid,
            "phone_number": number,
            "capabilities": {"voice": True, "sms": can, "mms": can},
            "sms_url": self._carrier.inbound_url or "",
            "sms_method": self._account.inbound_method,
            "sms_application_sid": "",
            "status": "in-use",
        }

    def _service(self, request: web.Request) -> Json:
        self._find_service(request)
        return {
            "sid": self._account.messaging_service_sid,
            "account_sid": self._account.account_sid,
            "friendly_name": "Codes",
            "inbound_request_url": self._carrier.inbound_url,
            "inbound_method": self._account.inbound_method,
            "use_inbound_webhook_on_number": False,
            "status_callback": self._account.status_url,
        }

    def _numbers_of_service(self, request: web.Request) -> Json:
        self._find_service(request)
        numbers = [
            {"sid": _sid("PN", one), "phone_number": one, "capabilities": ["Voice", "SMS"]}
            for one in self._account.numbers
        ]
        return {"phone_numbers": numbers, "meta": {"key": "phone_numbers", "next_page_url": None}}

    def _find_service(self, request: web.Request) -> None:
        if request.match_info["service"] != self._account.messaging_service_sid:
            raise RestError(20404, uri=request.path)


def _page(name: str, found: Sequence[Json]) -> Json:
    return {name: found, "page": 0, "page_size": 50, "next_page_uri": None}


def _sid(kind: str, number: str) -> str:
    return kind + number.removeprefix("+").rjust(32, "0")
