"""The telephone company as one part of the simulator."""

from aiohttp import web

from bot.simulator.control.faults import CallLog, Faults
from bot.simulator.sms.account import SmsAccount
from bot.simulator.sms.carrier import Carrier
from bot.simulator.sms.faults import SmsFault
from bot.simulator.sms.messages_api import MessagesApi
from bot.simulator.sms.phone_api import PhoneApi
from bot.simulator.sms.webhooks import Webhooks
from bot.simulator.workspace.workspace import Workspace


class SmsService:
    """Serves Twilio's API for `account` and the phones of a workspace.

    A text takes `hop` seconds from one status to the next; a webhook is waited for `patience` seconds.
    `faults` are those planned for sends.
    """

    def __init__(
        self, workspace: Workspace, account: SmsAccount, calls: CallLog, *, hop: float, patience: float
    ) -> None:
        self.carrier = Carrier(workspace.texts, account, Webhooks(account.auth_token, patience), hop)
        self.faults: Faults[SmsFault] = Faults(workspace.changes)
        self._api = MessagesApi(workspace.texts, account, self.carrier, calls, self.faults)
        self._phones = PhoneApi(workspace.people, workspace.texts, self.carrier)

    def routes(self) -> list[web.RouteDef]:
        """Give the routes to serve."""
        return self._api.routes() + self._phones.routes()
