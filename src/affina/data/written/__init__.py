"""The tasks whose answers are texts, before there is a model: their columns, and their rows with text and label."""
