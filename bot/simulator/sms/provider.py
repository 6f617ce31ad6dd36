"""The SMS provider: Twilio's API, the carrier behind it, and the faults planned for it."""

from aiohttp import web

from bot.simulator.faults import CallLog, Faults
from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.account_api import AccountApi
from bot.simulator.sms.carrier import Carrier
from bot.simulator.sms.faults import SmsFault
from bot.simulator.sms.messages_api import MessagesApi
from bot.simulator.sms.webhooks import Webhooks
from bot.simulator.workspace.workspace import Workspace


class SmsProvider:
    """Serves Twilio's API for `account`, and carries texts between the app and the phones of a workspace.

    A text takes `status_delay` seconds from one status to the next; the app has `timeout` seconds to answer a webhook.
    `faults` are the planned faults for sends.
    """

    def __init__(
        self,
        workspace: Workspace,
        account: SmsAccount,
        calls: CallLog,
        *,
        status_delay: float,
        timeout: float,
    ) -> None:
        self.carrier = Carrier(workspace.texts, account, Webhooks(account.auth_token, timeout), status_delay)
        self.faults: Faults[SmsFault] = Faults(workspace.changes)
        self._api = MessagesApi(workspace.texts, account, self.carrier, calls, self.faults)
        self._account_api = AccountApi(account, self.carrier)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [*self._api.routes(), *self._account_api.routes()]
