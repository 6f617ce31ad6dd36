"""Seals on everything that the hub carries for us, so that the hub can store and deliver it but not forge it."""
