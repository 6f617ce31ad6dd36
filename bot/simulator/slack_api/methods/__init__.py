"""Slack's Web API, one module per family of methods."""

from bot.simulator.slack_api.methods import chat, conversations, people, views, workspace
from bot.simulator.slack_api.methods.table import METHODS, Call, Method

__all__ = ["METHODS", "Call", "Method", "chat", "conversations", "people", "views", "workspace"]
