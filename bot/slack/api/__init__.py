"""Calls to Slack's Web API: posts, look-ups, pacing, and the translation of Slack's errors into ours."""
