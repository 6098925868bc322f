"""What was asked: the typed recipe, its loading, and what auto means."""
