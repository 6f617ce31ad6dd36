"""The records: every outcome in a hash-chained log that outlives the task hub's retention."""
