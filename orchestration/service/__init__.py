"""The API for callers: start requests, decide them, read them, and operate the server."""
