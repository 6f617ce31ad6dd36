"""The workflow of a standing grant: its card, its uses, its end."""
