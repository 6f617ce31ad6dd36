"""Slack's side: the Web API, Socket Mode, events, interactions and the rules for blocks."""
