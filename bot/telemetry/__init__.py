"""What operators see of the running process: lines of a log, and traces. No secret, number or code gets into either."""
