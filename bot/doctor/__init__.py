"""Checks a set-up from the outside in. The server may be running or not."""
