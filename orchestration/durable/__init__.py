"""Helpers for every workflow: the inbox, the outbox, and the type of a durable function."""
