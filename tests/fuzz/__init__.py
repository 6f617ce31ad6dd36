"""Fuzz tests of everything that reads input from outside: briefly in `make test`, for minutes in `make proof`."""
