"""What a label column means: one reading for each task, and the choice between them."""
