"""What a task's answers are worth: one judge for each task, behind one contract."""
