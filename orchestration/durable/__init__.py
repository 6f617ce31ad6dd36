"""Helpers that any workflow here may use: inbox, outbox, the type of a durable function."""
