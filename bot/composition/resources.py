"""Loads what the settings name: secrets, keys, tokens, policies, and the clients for HTTP, SMS and e-mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from bot.code_channels import CodeChannels, code_channels
from bot.config import Settings
from bot.metrics.meters import Meters
from bot.outbound.actions import InstalledAction, installed
from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpClient, allowed_hosts, allowed_networks
from bot.policy_reloading import PolicyReloader
from bot.security.keys import SigningKeys
from bot.security.secrets import Secrets
from bot.security.tokens import TokenFile
from bot.set_up import SetUp
from bot.twilio.account import TwilioAccount


@dataclass(frozen=True)
class Resources:
    """Everything that the settings name, read once. `sms` and `codes` are None where they are not configured."""

    settings: Settings
    secrets: Secrets
    tokens: TokenFile
    keys: SigningKeys
    sms: TwilioAccount | None
    codes: CodeChannels | None
    http: HttpClient
    actions: Mapping[str, InstalledAction]
    book: PolicyReloader
    meters: Meters

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Reads what `settings` names. Raises `CountersignError` when a setting, a key or the policy file is wrong."""
        actions = installed()
        secrets = Secrets.load(settings.secret, settings.data_dir)
        keys = SigningKeys.load(settings.signing_key, settings.data_dir)
        sms, codes = code_channels(settings, secrets)
        book = PolicyReloader(settings.policies, actions, sms=sms is not None, set_up=SetUp.of(settings))
        return cls(
            settings,
            secrets,
            TokenFile(settings.tokens),
            keys,
            sms,
            codes,
            HttpClient(allowed_networks(settings.callback_networks), allowed_hosts(settings.callback_hosts)),
            actions,
            book,
            Meters(lambda: book().names()),
        )

    def cloud_events(self) -> CloudEvents:
        """Builds the sender of outcomes as CloudEvents that name this server as their source."""
        return CloudEvents(self.settings.issuer, self.http)
