"""Slack's Web API, one module per family of methods."""

from bot.simulator.methods import chat, conversations, people, views, workspace
from bot.simulator.methods.table import METHODS, Call, Method

__all__ = ["METHODS", "Call", "Method", "chat", "conversations", "people", "views", "workspace"]
