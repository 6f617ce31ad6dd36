"""The forms of the SDK's protocol: work items, histories, times, statuses, limits and continuation tokens."""
