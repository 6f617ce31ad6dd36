"""Seals on everything that the hub carries for us, so that it may store and carry and has no authority of its own."""
