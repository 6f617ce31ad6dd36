"""What Prometheus scrapes: figures of this process, and of the hub. No label has anything that a person wrote."""
