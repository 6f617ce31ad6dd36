"""Checks a set-up from the outside in, while the server runs and while it does not."""
