"""Phones, and the telephone company: Twilio's Messages API, its webhooks, and the handsets of the people."""
