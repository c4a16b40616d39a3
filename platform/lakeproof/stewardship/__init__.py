"""What a table's owner answers for: whether its days come when they were promised."""
