"""Draws messages: cards, thread replies and notices."""
