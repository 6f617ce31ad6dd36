"""The listener of a channel: collects what was approved by rule, and posts it once an hour."""
