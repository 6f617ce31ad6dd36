"""The state of the workspace, on disk: people, channels, messages, views and texts."""
