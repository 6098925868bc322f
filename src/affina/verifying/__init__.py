"""Affina's guarantees, shown on the user's own model and rows: each check measures, or says why it has no place."""
