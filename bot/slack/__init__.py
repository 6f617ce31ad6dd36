"""Slack: draws cards, posts them, and handles what people press and type."""
