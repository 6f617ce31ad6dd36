"""The Twilio account through which the workspace's phones are reached."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

SERVICE_NUMBER = "+12025550100"


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """A Twilio account, as its console would show it. Numbers are E.164.

    `numbers` are the account's own; people write to the first where none has written to them. `api_keys` are
    secrets by key SID, valid besides `auth_token`. All numbers belong to the messaging service, where there is one.

    Texts from people are posted to `inbound_url`. `status_url` is the messaging service's own callback, for
    sends that name none. With `advanced_opt_out` the inbound webhook says which keyword it was (OptOutType).
    `regions` are the countries that sending is permitted to: ISO codes by calling code. `status` and `kind` are
    Twilio's words ("active", "suspended", "closed"; "Full", "Trial"). Numbers `without_sms` take calls only.
    `inbound_method` is what the account shows; texts are posted all the same.
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
        """Say whether these credentials open the account."""
        secret = self.auth_token if username == self.account_sid else self.api_keys.get(username)
        return secret is not None and secret == password

    def region(self, number: str) -> str | None:
        """Give the country of a number, by its calling code; None outside the permitted ones."""
        digits = number.removeprefix("+")
        fitting = [code for code in self.regions if digits.startswith(code)]
        return self.regions[max(fitting, key=len)] if fitting else None

    def sender_scope(self, number: str) -> str:
        """Give the scope of an opt-out: the whole messaging service, or else this one number."""
        return self.messaging_service_sid or number
