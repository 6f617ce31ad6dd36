"""Which processes of Countersign share a hub, and whether their keys fit together."""
