"""The fulfilment workflow: what was approved goes on through states that signed events move."""
