"""What goes out when a request has ended: callbacks and outcome actions, over one HTTP client."""
