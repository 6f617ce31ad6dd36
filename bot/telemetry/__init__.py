"""Logs and traces for operators. Neither holds a secret, a phone number or a code."""
