"""What a good answer is: one file for each task."""
