"""Draws forms, Details and App Home, and reads what was filled in."""
