"""The gathering workflow: asks several people and systems at once, and collects their answers until the deadline."""
