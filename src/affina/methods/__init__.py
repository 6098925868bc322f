"""What may change: one file for each method."""
