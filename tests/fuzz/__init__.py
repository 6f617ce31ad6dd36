"""What anybody may send, for what reads it: briefly in `make test`, for minutes in `make proof`."""
