"""The Twilio account through which the workspace's phones are reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

SERVICE_NUMBER = "+12025550100"


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """A Twilio account, as its console would show it. Numbers are E.164.

    `numbers` are the account's own. A person replies to the number that wrote last, or else to the first.
    `api_keys` are secrets by key SID, valid besides `auth_token`. With a messaging service, all numbers belong to it.

    Texts from people are posted to `inbound_url`. `status_url` is the messaging service's own callback, for
    sends that name none. With `advanced_opt_out` the inbound webhook names the keyword (OptOutType).
    `regions` are the countries to which sending is permitted: ISO codes by calling code. `status` and `kind` are
    Twilio's words ("active", "suspended", "closed"; "Full", "Trial"). Numbers in `without_sms` take
    only calls. `inbound_method` is the method that the account shows; texts are always sent by POST.
    """

    account_sid: str
    auth_token: str = field(repr=False)
    numbers: tuple[str, ...] = (SERVICE_NUMBER,)
    inbound_url: str | None = None
    api_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    messaging_service_sid: str | None = None
    status_url: str | None = None
    advanced_opt_out: bool = False
    regions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({"1": "US"}))
    status: str = "active"
    kind: str = "Full"
    without_sms: frozenset[str] = frozenset()
    inbound_method: str = "POST"

    def knows(self, username: str, password: str) -> bool:
        """Say whether these credentials are valid for the account."""
        secret = self.auth_token if username == self.account_sid else self.api_keys.get(username)
        return secret is not None and secret == password

    def region(self, number: str) -> str | None:
        """Return the country of a number, by its calling code; None outside the permitted countries."""
        digits = number.removeprefix("+")
        fitting = [code for code in self.regions if digits.startswith(code)]
        return self.regions[max(fitting, key=len)] if fitting else None

    def sender_scope(self, number: str) -> str:
        """Return the scope of an opt-out: the whole messaging service, or without one this number."""
        return self.messaging_service_sid or number
