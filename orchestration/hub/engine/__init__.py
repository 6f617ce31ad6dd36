"""What each call does to instances, activities, timers and entities, and which worker gets which work item."""
