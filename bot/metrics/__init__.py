"""Metrics for Prometheus, of this process and of the hub. No label holds text that a person wrote."""
