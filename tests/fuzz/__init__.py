"""Bytes and payloads as anybody may send them, for what reads them: briefly in `make test`, for minutes in `make proof`."""
