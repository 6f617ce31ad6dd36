"""The coding agents whose hooks are known."""

from __future__ import annotations

from typing import Final

from bot.coding_agents.claude_code import ClaudeCode
from bot.coding_agents.client import HookClient
from bot.coding_agents.codex import Codex
from bot.coding_agents.copilot import CopilotCli
from bot.coding_agents.cursor import Cursor
from bot.coding_agents.gemini import GeminiCli

CLIENTS: Final[dict[str, HookClient]] = {
    client.name: client for client in (ClaudeCode(), Codex(), CopilotCli(), Cursor(), GeminiCli())
}
