"""Finds what the settings and the policy file, each valid in itself, make impossible together."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumberType

from bot.config import Settings
from bot.outbound.addresses import Address, Network, may_be_called
from bot.outbound.http_client import HostList, allowed_hosts, allowed_networks, host_of
from bot.twilio.settings import countries_of, read_countries, read_twilio
from orchestration.domain.policy_book import PolicyBook

PUBLIC_URL: Final = "COUNTERSIGN_PUBLIC_URL"
CALLED: Final = ("COUNTERSIGN_RECORDS_WEBHOOK",)
LOCAL: Final = frozenset({"localhost", "localhost.localdomain"})
# Kinds of numbers that receive no text message. In some countries, landline and mobile numbers look alike; these
# give no warning.
NO_TEXTS: Final = {
    PhoneNumberType.FIXED_LINE: "a landline",
    PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    PhoneNumberType.SHARED_COST: "a shared-cost number",
    PhoneNumberType.TOLL_FREE: "a toll-free number",
    PhoneNumberType.UAN: "a company's number",
    PhoneNumberType.VOICEMAIL: "a voicemail number",
}


@dataclass(frozen=True)
class SetUp:
    """What the settings say about phones and about the addresses that may be called.

    `countries` are those that codes may be sent to; None where no setting limits them. `sender` is the number that
    codes come from, if the sender is a number. `called` are the addresses that this server calls, by setting.
    `twilio_calls` is the address where Twilio reaches this server, and `answered_at` the one where systems answer
    it.
    """

    countries: frozenset[str] | None
    sender: str | None
    networks: Sequence[Network]
    hosts: HostList | None
    called: Mapping[str, str]
    twilio_calls: str | None
    answered_at: str | None

    @classmethod
    def of(cls, settings: Settings) -> SetUp:
        """Made from the server's settings. Raises `SettingError`."""
        more = {
            PUBLIC_URL: settings.public_url,
            "COUNTERSIGN_CALLBACK_NETWORKS": settings.callback_networks,
            "COUNTERSIGN_CALLBACK_HOSTS": settings.callback_hosts,
            "COUNTERSIGN_RECORDS_WEBHOOK": settings.records_webhook,
        }
        return cls.read({**settings.sms, **{name: value for name, value in more.items() if value}})

    @classmethod
    def read(cls, given: Mapping[str, str]) -> SetUp:
        """Made from the settings by name. Raises `SettingError`."""
        twilio = read_twilio(given)
        networks, hosts = (given.get(f"COUNTERSIGN_CALLBACK_{what}") for what in ("NETWORKS", "HOSTS"))
        return cls(
            called={name: given[name] for name in CALLED if name in given},
            answered_at=given.get(PUBLIC_URL),
            twilio_calls=given.get(PUBLIC_URL) if twilio and not twilio.api_url else None,
            countries=read_countries(given) or None,
            sender=twilio.sender if twilio else None,
            networks=allowed_networks(networks),
            hosts=allowed_hosts(hosts),
        )

    def warnings(self, book: PolicyBook) -> list[str]:
        """What cannot work, always or in some requests. Each is a place, and a sentence without a full stop.

        None holds a phone number.
        """
        return [
            *(
                f"policies.{key}: {one}"
                for key, policy in sorted(book.policies.items())
                for one in policy.warnings()
            ),
            *self._of_posts(book),
            *self._of_systems(book),
            *self._of_phones(book),
        ]

    def of_settings(self) -> list[str]:
        """The same warnings for the settings alone."""
        found = [
            f"{name}: {why}, so it is never called"
            for name, url in self.called.items()
            if (why := self._unreachable(url))
        ]
        if self.twilio_calls and not _may_be_public(self.twilio_calls):
            host = host_of(self.twilio_calls)
            found.append(f"{PUBLIC_URL}: {host} is no public address, so Twilio delivers no reply there")
        return found

    def _of_posts(self, book: PolicyBook) -> Iterator[str]:
        for key, policy in sorted(book.policies.items()):
            for place, actions in policy.actions():
                for action in actions:
                    if action.post and (why := self._unreachable(action.post)):
                        yield f"policies.{key}.{'.'.join(map(str, place))}: {why}, so its POST never goes through"

    def _of_systems(self, book: PolicyBook) -> Iterator[str]:
        for key, gathering in sorted(book.gatherings.items()):
            for name, source in gathering.sources.items():
                if source.post is None:
                    continue
                if why := self._unreachable(source.post):
                    yield f"policies.{key}.sources.{name}: {why}, so it is never asked"
                if not self.answered_at:
                    yield f"policies.{key}.sources.{name}: {PUBLIC_URL} is not set, so it has no address to answer at"

    def _unreachable(self, url: str) -> str | None:
        host = host_of(url).removesuffix(".").lower()
        if self.hosts is not None and host not in self.hosts:
            return f"COUNTERSIGN_CALLBACK_HOSTS does not list {host}"
        address = _address(host)
        if address is None or may_be_called(address, self.networks):
            return None
        return f"COUNTERSIGN_CALLBACK_NETWORKS does not allow {host}, which is no public address"

    def _of_phones(self, book: PolicyBook) -> Iterator[str]:
        for person, entry in sorted(book.people.items()):
            if entry.phone is not None and (why := self._no_code_on(entry.phone)):
                yield f"people.{person}.phone: {why}, so no code arrives there"

    def _no_code_on(self, phone: str) -> str | None:
        if phone == self.sender:
            return "it is TWILIO_FROM itself"
        kind = NO_TEXTS.get(phonenumbers.number_type(phonenumbers.parse(phone)))
        if kind is not None:
            return f"it is {kind}"
        country = countries_of([phone])
        if self.countries is not None and not country & self.countries:
            where = "".join(country) or "no country"
            return f"it is a number of {where}, which COUNTERSIGN_SMS_COUNTRIES does not list"
        return None


def _address(host: str) -> Address | None:
    """The IP address that the host is; None for a name, because names are looked up at each call."""
    try:
        return ipaddress.ip_address("127.0.0.1" if host in LOCAL else host)
    except ValueError:
        return None


def _may_be_public(url: str) -> bool:
    address = _address(host_of(url).removesuffix(".").lower())
    return address is None or may_be_called(address, ())
