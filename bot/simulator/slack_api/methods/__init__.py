"""Slack's Web API, one module per family of methods."""

from bot.simulator.slack_api.methods import chat, conversations, files, people, views, workspace
from bot.simulator.slack_api.methods.table import METHODS, Method, MethodCall

__all__ = [
    "METHODS",
    "Method",
    "MethodCall",
    "chat",
    "conversations",
    "files",
    "people",
    "views",
    "workspace",
]
