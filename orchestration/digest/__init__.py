"""The standing listener of a channel: gathers what was approved by rule, and posts it once an hour."""
