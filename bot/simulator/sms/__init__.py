"""The SMS provider: Twilio's Messages API, its webhooks, and the carrier between the app and people's phones."""
