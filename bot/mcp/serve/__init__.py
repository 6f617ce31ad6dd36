"""Countersign's MCP server: tools with which an agent asks people, and the policies that it may name."""
