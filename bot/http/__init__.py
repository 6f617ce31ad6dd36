"""The one HTTP port: the server, the API under /api and the record pages."""
