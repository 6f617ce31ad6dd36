"""What all of Twilio's REST calls have in common: authentication and refusals."""

import base64

from aiohttp import web

from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.carrier import API_VERSION
from bot.simulator.sms.rest_errors import RestError

PREFIX = f"/{API_VERSION}/Accounts/{{account}}"


def authenticate(account: SmsAccount, request: web.Request) -> str:
    """Return the username: the SID of the account or of an API key. Raises RestError for other accounts or secrets."""
    username, password = _credentials(request.headers.get("Authorization", ""))
    if not account.knows(username, password):
        raise RestError(20003)
    if request.match_info.get("account", account.account_sid) != account.account_sid:
        raise RestError(20404, uri=request.path)
    return username


def refused(error: RestError) -> web.Response:
    """Return the answer that refuses a call."""
    return web.json_response(error.body(), status=error.status, headers=error.headers())


def _credentials(header: str) -> tuple[str, str]:
    """Return the username and password of HTTP Basic authentication; empty ones where they cannot be read."""
    scheme, _, encoded = header.partition(" ")
    try:
        decoded = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
    except ValueError:
        decoded = ""
    username, _, password = decoded.partition(":")
    return username, password
