"""The fulfilment workflow: an approved request moves through states, driven by signed events."""
