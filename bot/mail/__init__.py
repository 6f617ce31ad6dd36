"""Sends codes by e-mail, through a mail server."""
