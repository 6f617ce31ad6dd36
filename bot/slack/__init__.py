"""Slack: how cards look, how they are posted, and what presses and commands become."""
