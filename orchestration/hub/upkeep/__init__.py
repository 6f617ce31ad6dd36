"""What keeps the hub's file in order: retention, check and backup."""
