"""Calls to Slack's Web API: posting, looking up, pacing, and errors as ours."""
